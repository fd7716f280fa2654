"""What holds for the resources, whatever the values are."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.alerts.rules import rules
from consumer.settings.alerts import Alerts
from tests.chart.cases import CASES, MINIMAL
from tests.chart.rendering import CHART, TIMEOUT, Rendered, helm, merged, rendered, variables

Rendering = Callable[[str], Rendered]
each_case = pytest.mark.parametrize("name", CASES)
# of operators: Kubernetes itself has no schema of these
VERSIONS = ["1.27.0", "1.29.0", "1.31.0", "1.33.0", "1.35.0", "1.37.0"]
_KINDS = {
    "_definitions",
    "configmap",
    "deployment",
    "ingress",
    "job",
    "networkpolicy",
    "poddisruptionbudget",
    "service",
    "serviceaccount",
    "statefulset",
}
_OTHERS = ["ScaledObject", "KafkaTopic", "PodMonitor", "ServiceMonitor", "PrometheusRule"]


@each_case
def test_helm_lint_is_strict_and_has_no_complaint(name: str, tmp_path: Path) -> None:
    """Of any case."""
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(CASES[name]))
    done = helm("lint", "--strict", "--kube-version", "1.31.0", str(CHART), "--values", str(tmp_path / "values.yaml"))
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kubernetes' schemas as a package has them, with references that lead from file to file."""
    folder = tmp_path_factory.mktemp("schemas")
    for version in VERSIONS:
        made = folder / f"v{version}"
        made.mkdir()
        for file in Path(os.environ["KUBERNETES_SCHEMAS"], f"v{version}-local-strict").glob("*.json"):
            if file.stem.partition("-")[0] in _KINDS:
                # their ids, and references by these, lead to a server
                schema = json.loads(file.read_text().replace("/api/_definitions.json#", "_definitions.json#"))
                del schema["$id"]
                (made / file.name).write_text(json.dumps(schema))
    return folder


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_resources(rendering: Rendering, schemas: Path, version: str) -> None:
    """By its own schemas, strictly."""
    place = f"{schemas}/{{{{.NormalizedKubernetesVersion}}}}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    program = shutil.which("kubeconform") or "kubeconform"
    words = ["-strict", "-kubernetes-version", version, "-schema-location", place, "-skip", ",".join(_OTHERS)]
    done = subprocess.run(
        [program, *words, "-summary", "-"],
        input="\n---\n".join(rendering(name).text for name in CASES),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stdout[:2000]
    (valid,) = re.findall(r"Valid: (\d+)", done.stdout)
    assert int(valid) == sum(each["kind"] not in _OTHERS for name in CASES for each in rendering(name).resources)


@each_case
def test_pods_are_restricted(rendering: Rendering, name: str) -> None:
    """As the profile of that name of Pod Security wants it, and with a root that can't be written to."""
    for pod in rendering(name).pods:
        assert pod["automountServiceAccountToken"] is False
        security = pod["securityContext"]
        assert (security["runAsNonRoot"], security["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
        assert security["runAsUser"] > 0
        assert not [word for word in ("hostNetwork", "hostPID", "hostIPC") if pod.get(word)]
        allowed = {"configMap", "emptyDir", "secret"}
        assert all(volume.keys() - {"name"} <= allowed for volume in pod["volumes"])
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} <= container["resources"].keys()
            mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
            assert "/tmp" in mounts
            assert {each["name"] for each in container["volumeMounts"]} <= {each["name"] for each in pod["volumes"]}


@each_case
def test_a_worker_has_longer_to_end_than_it_drains(rendering: Rendering, name: str) -> None:
    """The batch in flight, and what leaving the group takes."""
    pod = rendering(name).workers["spec"]["template"]["spec"]
    drain = CASES[name]["settings"].get("worker", {}).get("drain_timeout", 20)
    assert pod["terminationGracePeriodSeconds"] >= drain + 10


@each_case
def test_guards_and_services_select_what_they_are_for(rendering: Rendering, name: str) -> None:
    """Workers by the budget, each component by its policy and its service; nothing selects the migration."""
    found = rendering(name)
    labels = {
        pod["app.kubernetes.io/component"]: pod
        for pod in (
            each["spec"]["template"]["metadata"]["labels"]
            for each in found.resources
            if each["kind"] in ("Deployment", "StatefulSet", "Job")
        )
    }
    selectors = [
        *(each["spec"]["selector"]["matchLabels"] for each in found.all("PodDisruptionBudget")),
        *(each["spec"]["podSelector"]["matchLabels"] for each in found.all("NetworkPolicy")),
        *(each["spec"]["selector"] for each in found.all("Service")),
        *(each["spec"]["selector"]["matchLabels"] for each in found.all("Deployment") + found.all("StatefulSet")),
    ]
    for selector in selectors:
        chosen = [component for component, pod in labels.items() if selector.items() <= pod.items()]
        assert chosen == [selector["app.kubernetes.io/component"]]
        assert chosen != ["migration"]


def test_other_settings_roll_the_pods_and_other_values_do_not(tmp_path: Path) -> None:
    """By the checksum in the pods' annotations."""

    def checksum(**more: Any) -> str:
        pod = rendered(merged(MINIMAL, more), tmp_path).workers["spec"]["template"]
        return str(pod["metadata"]["annotations"]["checksum/settings"])

    assert checksum() == checksum(replicas=5)
    assert checksum() != checksum(settings={"batch": {"max_rows": 1000}})
    assert checksum() != checksum(kafka={"tls": {"enabled": True}})


def test_the_migration_comes_before_the_pods_with_settings_of_its_own(rendering: Rendering) -> None:
    """It needs nothing of the release, which is not there yet when it is installed."""
    found = rendering("migration-role")
    job, settings = found.one("Job"), found.one("ConfigMap", "-migrate")
    for each in (job, settings):
        assert each["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in (settings, job)]
    assert weights == sorted(set(weights))
    pod = job["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"]["name"] == settings["metadata"]["name"]
    grants = ["--grant=headrace_worker", "--grant=-odd role"]
    assert pod["containers"][0]["args"] == ["migrate", "--wait", "300", *grants]
    given = variables(pod["containers"][0])["HEADRACE_TARGET__DSN"]
    assert given["valueFrom"]["secretKeyRef"] == {"name": "owner", "key": "dsn"}
    # it gives up by itself before it is ended
    assert job["spec"]["activeDeadlineSeconds"] > 300
    assert not rendering("no-migration").all("Job")


@each_case
def test_variables_of_a_container_have_names_of_their_own(rendering: Rendering, name: str) -> None:
    """A server that merges lists by name takes no others."""
    for pod in rendering(name).pods:
        for container in pod["containers"]:
            assert len(container.get("env") or ()) == len(variables(container))


def test_a_migration_with_a_role_of_its_own_has_no_login_of_the_workers(rendering: Rendering) -> None:
    """Neither their connection string, nor their password, nor their certificate; what to trust stays."""
    found = rendering("migration-role-beside-secrets")
    (job,) = found.one("Job")["spec"]["template"]["spec"]["containers"]
    (worker,) = found.workers["spec"]["template"]["spec"]["containers"]
    given = variables(job)
    assert given["HEADRACE_TARGET__DSN"]["valueFrom"]["secretKeyRef"] == {"name": "owner", "key": "dsn"}
    assert variables(worker).keys() - given.keys() == {"PGPASSWORD", "PGSSLCERT", "PGSSLKEY"}
    assert {"PGSSLMODE", "PGSSLROOTCERT"} <= given.keys()
    (plain,) = rendering("minimal").one("Job")["spec"]["template"]["spec"]["containers"]
    assert "PGPASSWORD" in variables(plain)


@pytest.mark.parametrize(
    ("name", "account"), [("minimal", "default"), ("no-account", "default"), ("own-account", "mine")]
)
def test_the_migration_has_an_account_that_is_there_before_it(rendering: Rendering, name: str, account: str) -> None:
    """The release's own is not, when it is installed."""
    assert rendering(name).one("Job")["spec"]["template"]["spec"]["serviceAccountName"] == account


def test_all_pods_are_where_workers_may_be(rendering: Rendering) -> None:
    """Save for the admin process, if it has a place of its own."""

    def places(name: str) -> list[tuple[Any, Any]]:
        found = rendering(name)
        workloads = [found.workers, found.one("Job"), found.one("Deployment", "-admin")]
        pods = [each["spec"]["template"]["spec"] for each in workloads]
        return [(pod.get("nodeSelector"), pod.get("tolerations")) for pod in pods]

    workers = ({"disk": "ssd"}, [{"key": "data", "operator": "Exists"}])
    admin = ({"disk": "none"}, [{"key": "tools", "operator": "Exists"}])
    assert places("placed") == [workers, workers, admin]
    assert places("placed-together") == [workers] * 3
    assert places("admin") == [(None, None)] * 3


def test_only_the_admin_process_has_the_secret_for_the_provider(rendering: Rendering) -> None:
    """Workers and the migration have nothing to do with who logs in."""
    pods = rendering("console-by-provider").pods
    given = [variables(pod["containers"][0]).get("HEADRACE_ADMIN__OIDC__CLIENT_SECRET") for pod in pods]
    (found,) = [each for each in given if each is not None]
    assert found["valueFrom"]["secretKeyRef"] == {"name": "provider", "key": "secret"}


def test_a_static_member_is_known_by_its_pod(rendering: Rendering) -> None:
    """Whose name stays; no pod is made beside the others in a rollout of either kind."""
    static = rendering("static").workers
    given = variables(static["spec"]["template"]["spec"]["containers"][0])
    field = given["HEADRACE_KAFKA__CLIENT__GROUP.INSTANCE.ID"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert (static["kind"], field) == ("StatefulSet", "metadata.name")
    assert rendering("static").one("Service", "-workers")["metadata"]["name"] == static["spec"]["serviceName"]
    rolling = rendering("minimal").workers["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": 1}


def test_probes_never_ask_how_far_behind_a_worker_is(rendering: Rendering) -> None:
    """But whether its poll loop turns, and whether it has its session; by the port that is there."""
    (container,) = rendering("minimal").workers["spec"]["template"]["spec"]["containers"]
    asked = [container[word]["httpGet"] for word in ("livenessProbe", "readinessProbe")]
    assert asked == [{"path": path, "port": "metrics"} for path in ("/healthz", "/readyz")]
    (unwatched,) = rendering("unwatched").workers["spec"]["template"]["spec"]["containers"]
    assert "livenessProbe" not in unwatched
    assert unwatched["readinessProbe"]["exec"]["command"] == ["headrace", "workers", "ls", "--here"]
    (own,) = rendering("further").workers["spec"]["template"]["spec"]["containers"]
    assert [own[word]["httpGet"]["path"] for word in ("livenessProbe", "readinessProbe")] == ["/livez", "/readyz"]
    (admin,) = rendering("admin").one("Deployment", "-admin")["spec"]["template"]["spec"]["containers"]
    assert [admin[word]["httpGet"]["path"] for word in ("livenessProbe", "readinessProbe")] == ["/healthz", "/readyz"]


@pytest.mark.parametrize("name", ["scaled", "scaled-with-login", "guarded"])
def test_keda_scales_by_lag_that_workers_can_lower(rendering: Rendering, name: str) -> None:
    """Not by what is paused; and nobody else says how many there are."""
    scaled, workers = rendering(name).one("ScaledObject"), rendering(name).workers
    reference = scaled["spec"]["scaleTargetRef"]
    assert reference == {"kind": workers["kind"], "name": workers["metadata"]["name"]}
    assert "replicas" not in workers["spec"]
    (trigger,) = scaled["spec"]["triggers"]
    metadata = trigger["metadata"]
    assert (metadata["excludePersistentLag"], metadata["allowIdleConsumers"]) == ("true", "false")
    assert metadata["consumerGroup"] == "shop-replica"
    assert all(isinstance(value, str) for value in metadata.values())
    if name != "scaled":
        assert (metadata["sasl"], metadata["tls"]) == ("scram_sha512", "enable")
        assert trigger["authenticationRef"] == {"name": "headrace-kafka"}


def test_networks_let_in_what_is_listened_to_and_out_what_is_named(rendering: Rendering) -> None:
    """Nobody comes in who is not named, and nobody to workers that listen nowhere."""
    for policy in rendering("admin").all("NetworkPolicy"):
        assert (policy["spec"]["policyTypes"], "ingress" in policy["spec"]) == (["Ingress"], False)
    for name, ports in {"monitored": [9464, 9999], "unwatched": [9999]}.items():
        (let_in,) = rendering(name).one("NetworkPolicy", "-worker")["spec"]["ingress"]
        assert let_in == {
            "ports": [{"port": port} for port in ports],
            "from": CASES[name]["networkPolicy"]["ingressFrom"],
        }
    guarded = rendering("guarded").one("NetworkPolicy", "-admin")["spec"]
    assert guarded["policyTypes"] == ["Ingress", "Egress"]
    assert guarded["ingress"][0]["ports"] == [{"port": 8470}, {"port": 9464}]
    assert guarded["ingress"][0]["from"]


def test_the_console_is_behind_tls_and_a_login(rendering: Rendering) -> None:
    """The proxy that the ingress asks; Headrace's own tokens stay."""
    ingress = rendering("guarded").one("Ingress")
    assert ingress["spec"]["tls"] == [{"hosts": ["headrace.example"], "secretName": "headrace-tls"}]
    annotations = ingress["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/auth-url"] == "https://login.example/oauth2/auth"
    assert not rendering("console").one("Ingress")["metadata"].get("annotations")


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """The chart with a dashboard and a file of rules."""
    copy = tmp_path / "headrace"
    shutil.copytree(CHART, copy)
    shutil.rmtree(copy / "files/rules")
    (copy / "files/rules").mkdir()
    (copy / "files/dashboards/flow.json").write_text('{"title": "{{ a }}"}\n')
    rule = {"alert": "A", "expr": "vector(1)", "annotations": {"a": "{{ $x }}"}}
    rules = {"groups": [{"name": "g", "rules": [rule]}]}
    (copy / "files/rules/alerts.yml").write_text(yaml.safe_dump(rules))
    return copy


def test_rules_and_dashboards_are_taken_as_they_are(filled: Path, tmp_path: Path, rendering: Rendering) -> None:
    """Their own braces are no templates; without files there is nothing, and nothing fails."""
    found = rendered(CASES["boards"], tmp_path, filled)
    board = found.one("ConfigMap", "-dashboard-flow")
    assert board["data"]["flow.json"].strip() == '{"title": "{{ a }}"}'
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    rule = found.one("PrometheusRule", "-alerts")
    assert rule["spec"]["groups"][0]["rules"][0]["annotations"] == {"a": "{{ $x }}"}
    shipped, files = rendering("boards"), CHART / "files"
    assert len(shipped.all("PrometheusRule")) == len(list(files.glob("rules/*.yml")))
    boards = [each for each in shipped.all("ConfigMap") if "-dashboard-" in each["metadata"]["name"]]
    assert len(boards) == len(list(files.glob("dashboards/*.json")))


def test_monitors_find_the_workers_by_a_port_that_is_there(rendering: Rendering) -> None:
    """By their pods, and by their service."""
    found = rendering("monitored")
    pods, services = found.one("PodMonitor")["spec"], found.one("ServiceMonitor")["spec"]
    assert pods["podMetricsEndpoints"][0]["port"] == services["endpoints"][0]["port"] == "metrics"
    labels = found.one("Service", "-workers")["metadata"]["labels"]
    assert services["selector"] == pods["selector"]
    assert services["selector"]["matchLabels"].items() <= labels.items()
    (chosen,) = services["selector"]["matchExpressions"]
    assert (chosen["operator"], chosen["values"]) == ("In", ["worker", "admin"])
    for name in ("-workers", "-admin"):
        service = found.one("Service", name)
        assert service["metadata"]["labels"][chosen["key"]] in chosen["values"]
        assert {"name": "metrics", "port": 9464, "targetPort": "metrics"} in service["spec"]["ports"]
    for pod in found.pods[:2]:
        assert {"name": "metrics", "containerPort": 9464} in pod["containers"][0]["ports"]


def test_rules_have_the_thresholds_of_the_values_and_roll_no_pods(rendering: Rendering, tmp_path: Path) -> None:
    """What the command would write, and nothing of it in the settings of processes."""
    spec = rendering("alerts").one("PrometheusRule", "-alerts")["spec"]
    settings = Alerts(**CASES["alerts"]["settings"]["alerts"])
    assert spec == yaml.safe_load(rules(CASES["alerts"]["settings"]["kafka"]["group"], settings.model_dump()))
    default = rendering("boards").one("PrometheusRule", "-alerts")["spec"]
    assert default == yaml.safe_load(rules(CASES["boards"]["settings"]["kafka"]["group"], Alerts().model_dump()))
    assert "alerts" not in rendering("alerts").one("ConfigMap", "headrace")["data"]["headrace.toml"]
