"""Why no secure connection came about, in words of the TLS library alone."""

import ssl

import urllib3


def tls_fault(error: urllib3.exceptions.HTTPError) -> str | None:
    """What of a certificate, a name or a protocol did not fit; None where that was not it."""
    cause = getattr(error, "reason", error)
    if not isinstance(cause, urllib3.exceptions.SSLError):
        return None
    inner = cause.args[0] if cause.args else cause
    if isinstance(inner, ssl.SSLCertVerificationError):
        return str(inner.verify_message)
    if isinstance(inner, ssl.SSLError) and inner.reason:
        return str(inner.reason).lower().replace("_", " ")
    return type(inner).__name__
