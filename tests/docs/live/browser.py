"""A browser without JavaScript: links by their texts, forms by the texts of their buttons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from consumer.stack.waiting import wait_until

_PATIENCE = 60.0


@dataclass(kw_only=True)
class Form:
    """Where it is sent, what it holds, and its buttons."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """The links and forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(action=given["action"]))
        elif tag == "input" and self.forms:
            self.forms[-1].values[given.get("name", "")] = given.get("value", "")
        elif tag == "option" and "selected" in given:
            self.forms[-1].values[self._open[-1][1]["name"]] = given["value"]
        elif tag in ("a", "button", "textarea", "select"):
            self._open.append((tag, given, []))

    def handle_data(self, data: str) -> None:
        for _, _, texts in self._open:
            texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            return
        _, given, texts = self._open.pop()
        text = "".join(texts)
        if tag == "a":
            self.links.setdefault(" ".join(text.split()), given["href"])
        elif tag == "textarea":
            # the line break behind the tag is none of the value's
            self.forms[-1].values[given["name"]] = text.removeprefix("\n")
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append(" ".join(text.split()))


class Browser:
    """One window. What does not answer, or not now, is asked again, as a person does.

    What is not there raises KeyError or StopIteration, a page that is refused AssertionError.
    """

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=address, follow_redirects=True, timeout=30, verify=False)
        self.text = ""

    def open(self, path: str) -> "Browser":
        """Go there."""
        return self._shown("GET", path, None)

    def follow(self, link: str) -> "Browser":
        """Click on a link."""
        return self.open(self._read().links[link])

    def send(self, button: str, values: Mapping[str, str]) -> "Browser":
        """Fill in the form that has the button, and press it."""
        form = next(each for each in self._read().forms if button in each.buttons)
        assert values.keys() <= form.values.keys(), f"the form has {sorted(form.values)}"
        return self._shown("POST", form.action, {**form.values, **values})

    def close(self) -> None:
        """Close the window."""
        self._client.close()

    def _read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.text)
        return reader

    def _shown(self, method: str, path: str, values: Mapping[str, str] | None) -> "Browser":
        answer: httpx.Response | None = None

        def answered() -> bool:
            nonlocal answer
            try:
                answer = self._client.request(method, path, data=values)
            except httpx.ConnectError:
                return False
            return answer.status_code != httpx.codes.SERVICE_UNAVAILABLE

        assert wait_until(answered, _PATIENCE, interval=0.5), f"{method} {path} is not answered"
        assert answer is not None
        for cookie in self._client.cookies.jar:
            # browsers take this machine for a safe place
            cookie.secure = False
        self.text = answer.text
        assert answer.is_success, f"{method} {path} is answered with {answer.status_code}:\n{self.text[-3000:]}"
        return self
