"""Kinds of failure that cost time for everything."""

from consumer.core.failure_kind import PERSISTENT, TRANSIENT, UNKNOWN, kind

_BY_ITSELF = "Headrace goes on by itself when it is back; look at its address, the server and the network between."

ENVIRONMENT_KINDS = (
    kind("target.connection", TRANSIENT, "the target does not answer or ended the session", _BY_ITSELF),
    kind(
        "target.resources",
        TRANSIENT,
        "the target is out of a resource (disk, memory, connections)",
        "Give the server what it lacks; Headrace goes on by itself.",
    ),
    kind(
        "target.session",
        TRANSIENT,
        "what a session had prepared is gone or outdated: statements, or staging tables",
        "None, a new session is opened; if it comes again and again, look for what runs DISCARD or DEALLOCATE there.",
    ),
    kind(
        "target.staging",
        TRANSIENT,
        "something on the target forbids temporary tables, in which rows are staged",
        "Look for an event trigger that refuses CREATE TABLE or DROP TABLE, and have it let temporary ones be; "
        "Headrace goes on by itself.",
    ),
    kind(
        "target.pool",
        TRANSIENT,
        "no session for a short question was free in time",
        "Raise target.pool_size, or look for long locks on what the sessions wait for.",
    ),
    kind("target.timeout", TRANSIENT, "a statement ran into its timeout", "Look for long locks and slow triggers."),
    kind("target.locked", TRANSIENT, "a lock was not granted in time", "Look for long transactions on the table."),
    kind("target.conflict", TRANSIENT, "another transaction was in the way", "None; the batch is repeated."),
    kind(
        "target.read_only",
        TRANSIENT,
        "the target takes no writes, as after a failover",
        "Point target.dsn at the primary, or wait until the server is it; Headrace goes on by itself.",
    ),
    kind("target.system", TRANSIENT, "the server's own system failed it (disk, files)", "Read the server's log."),
    kind(
        "target.commit",
        TRANSIENT,
        "COMMIT was answered with something else",
        "None; nothing was written and the batch is repeated.",
    ),
    kind(
        "target.login",
        PERSISTENT,
        "the target refuses user, password or database",
        "Check target.dsn and the server's pg_hba.conf.",
    ),
    kind(
        "target.tls",
        TRANSIENT,
        "no secure connection to the target: a certificate, a name in it or its time does not fit",
        "Compare sslmode, sslrootcert, sslcert and host in target.dsn with the server's certificate and its time; "
        "Headrace goes on by itself once they fit.",
    ),
    kind(
        "target.pooler",
        PERSISTENT,
        "target.dsn leads to a pooler, but staging tables need a session of their own",
        "Point target.dsn at the server itself: Headrace has a pool of its own, and each worker holds one session.",
    ),
    kind(
        "target.version",
        PERSISTENT,
        "the target's PostgreSQL is older than 15",
        "Upgrade it to PostgreSQL 15 or newer, or choose another target.",
    ),
    kind(
        "target.newer",
        PERSISTENT,
        "the control schema is of a newer Headrace that is a break",
        "Install the newer Headrace that migrated it.",
    ),
    kind(
        "target.older",
        PERSISTENT,
        "the control schema is of an older Headrace, or not there",
        "Run headrace migrate, or start a worker of this version, which does the same.",
    ),
    kind("registry.away", TRANSIENT, "the registry does not answer or not with a schema", _BY_ITSELF),
    kind("registry.status", TRANSIENT, "the registry answered with a status that is no schema", _BY_ITSELF),
    kind(
        "registry.refused",
        TRANSIENT,
        "the registry refuses the credentials",
        "Check registry.user and its password, or registry.token, and the rights there; Headrace looks again by "
        "itself.",
    ),
    kind(
        "registry.tls",
        TRANSIENT,
        "no secure connection to the registry: its certificate, a name in it or its time does not fit",
        "Compare registry.ca_file and the host in registry.url with the registry's certificate and its time; Headrace "
        "goes on by itself once they fit.",
    ),
    kind(
        "connect.tls",
        TRANSIENT,
        "no secure connection to Kafka Connect: its certificate, a name in it or its time does not fit",
        "Compare connect.ca_file and the host in connect.url with the certificate and its time. Nothing else waits for "
        "it.",
    ),
    kind(
        "connect.away",
        TRANSIENT,
        "no answer of Kafka Connect, or one that it should not give",
        "Check connect.url, and look at Kafka Connect and the network between. Nothing else waits for it.",
    ),
    kind(
        "connect.refused",
        PERSISTENT,
        "the credentials for Kafka Connect are refused",
        "Check connect.user and its password, and what they may do there.",
    ),
    kind(
        "source.away",
        TRANSIENT,
        "the source's database does not answer, or not in time",
        "Check source.dsn and the network between; nothing but comparisons waits for it, and they go on by themselves.",
    ),
    kind(
        "source.refused",
        PERSISTENT,
        "the source's database refuses the role of source.dsn, or what is asked of it",
        "Check source.dsn and source.slot, and give the role what deploy/postgres/reconcile-role.sql gives.",
    ),
    kind(
        "server.away",
        TRANSIENT,
        "the API that --server names does not answer, or has no answer at the moment",
        "Check --server, that headrace admin serve runs there, and the network between; then ask again.",
    ),
    kind(
        "server.refused",
        PERSISTENT,
        "the API that --server names does not know the token",
        "Check HEADRACE_TOKEN or --token-file.",
    ),
    kind(
        "server.unfit",
        PERSISTENT,
        "what --server names is not this version's API, or its certificate is not trusted",
        "Check --server (the base, without /api/v1) and --ca-file, and that both sides have the same version.",
    ),
    kind(
        "oidc.away",
        TRANSIENT,
        "the provider that people log in at does not answer",
        "Check admin.oidc.issuer, and look at the provider and the network between; tokens of admin.tokens still work.",
    ),
    kind(
        "oidc.refused",
        PERSISTENT,
        "the provider that people log in at refuses Headrace, or is not what admin.oidc says",
        "Compare admin.oidc (issuer, client, secret) and admin.url with what the provider has for this client.",
    ),
    kind("kafka.away", TRANSIENT, "the cluster does not answer", _BY_ITSELF),
    kind(
        "kafka.tls",
        TRANSIENT,
        "no secure connection to the brokers: a certificate, a name in it or its time does not fit",
        "Compare ssl.ca.location, ssl.certificate.location and security.protocol in kafka.client, and the names in "
        "kafka.bootstrap_servers, with the brokers' certificates and their time; Headrace goes on by itself once they "
        "fit.",
    ),
    kind(
        "kafka.refused",
        PERSISTENT,
        "the cluster refuses the client's credentials",
        "Correct them in kafka.client, then start again.",
    ),
    kind(
        "kafka.forbidden",
        TRANSIENT,
        "the cluster's access rules forbid what Headrace asks",
        "Grant reading and describing the topics, and reading as the group; Headrace looks again by itself.",
    ),
    kind(
        "kafka.unknown",
        UNKNOWN,
        "the cluster answered with an error that no rule knows",
        "Look the code up in Kafka's protocol errors and in the broker's log; Headrace asks again by itself.",
    ),
    kind(
        "kafka.no_topic",
        TRANSIENT,
        "a topic is gone while records of it are still to be applied",
        "Create it again, or restart the worker, which then leaves it out.",
    ),
    kind(
        "kafka.leaderless",
        TRANSIENT,
        "no broker leads the partition, or one of its topic that it waits for",
        "Kafka elects one once a broker that has all of the log is back: look for the brokers that are away. "
        "Headrace looks again by itself.",
    ),
    kind(
        "kafka.letters",
        TRANSIENT,
        "the topics of letters can't be made, or do not take their copies",
        "Make the topics by hand, or grant creating, describing and writing them. Letters stay in the database, and "
        "their copies are published later.",
    ),
    kind(
        "kafka.configuration",
        PERSISTENT,
        "librdkafka refuses the settings",
        "Correct kafka.client and kafka.bootstrap_servers.",
    ),
    kind("kafka.fatal", PERSISTENT, "the client can't go on", "The process ends and is started again; read the log."),
    kind(
        "worker.stalled",
        TRANSIENT,
        "a loop has not turned in time",
        "The process ends so that another takes its partitions; look at the log lines before this one.",
    ),
    kind("worker.settings", PERSISTENT, "settings that can't work", "Correct what the message names."),
    kind("worker.defect", PERSISTENT, "something that should not happen", "Report it with the log."),
)
