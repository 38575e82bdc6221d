"""The manifests: against the schemas of three Kubernetes versions, and what the schemas miss.

Run by tests/deploy/run. Reads `kubectl kustomize`'s output of the example on standard input.
"""

import copy
import sys

import kubernetes_validate
import yaml

# The first with native sidecars, the first where they are stable, the newest known here.
VERSIONS = ["1.29", "1.33", "1.37"]


def faults(objects):
    """What is wrong with these objects, as sentences."""
    found = []

    def need(holds, sentence):
        if not holds:
            found.append(sentence)

    for item in objects:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{item['kind']}, Kubernetes {version}: {error.message}")

    kinds = {item["kind"]: item for item in objects}
    pod = kinds["Deployment"]["spec"]["template"]
    spec = pod["spec"]
    sidecar = next((c for c in spec.get("initContainers", []) if c["name"] == "gatepost"), None)
    if sidecar is None:
        return found + ["gatepost is no init container"]
    # The schemas take any word here; anything but Always runs it to its end before the app.
    need(sidecar.get("restartPolicy") == "Always", "an init container that does not stay")
    paths = {"startupProbe": "/startupz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    for probe, path in paths.items():
        get = sidecar.get(probe, {}).get("httpGet", {})
        need(get.get("path") == path, f"{probe} does not ask {path}")
        need(get.get("port") == 9901, f"{probe}: the port is no number, or not the health port")
    for port in sidecar.get("ports", []):
        need("name" not in port, "a named port: Services before 1.32 do not see it")
    need({p["containerPort"] for p in sidecar.get("ports", [])} == {8080, 9901}, "other ports")
    security = sidecar.get("securityContext", {})
    expected = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for key, value in expected.items():
        need(security.get(key) == value, f"securityContext.{key} is not {value}")
    need("memory" in sidecar.get("resources", {}).get("limits", {}), "no limit of memory")
    for mount in sidecar.get("volumeMounts", []):
        need(mount.get("readOnly") is True, f"{mount['name']} can be written")
        need("subPath" not in mount, f"{mount['name']}: a subPath does not see changes")
    others = [c for c in spec["containers"] if c is not sidecar]
    for container in others:
        names = [mount["name"] for mount in container.get("volumeMounts", [])]
        need("gatepost-secrets" not in names, "the app sees gatepost's secrets")
        need("ports" not in container, "the app's own port is offered")
    secrets = next((v for v in spec["volumes"] if v["name"] == "gatepost-secrets"), {})
    need("projected" in secrets, "secrets are no projected volume")
    need(not any("env" in c or "envFrom" in c for c in [sidecar]), "secrets in the environment")

    policy = kinds["NetworkPolicy"]["spec"]
    labels = pod["metadata"]["labels"]
    selected = policy["podSelector"]["matchLabels"]
    need(selected.items() <= labels.items(), "the policy does not select the pod")
    need(policy["policyTypes"] == ["Ingress"], "the policy is not about what comes in")
    ports = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    need(ports == {8080, 9901}, f"open ports: {ports}")
    for port in kinds["Service"]["spec"]["ports"]:
        need(port["targetPort"] == 8080, "the Service does not lead to gatepost")
    need(kinds["ConfigMap"]["metadata"]["name"] == "gatepost", "a ConfigMap with a suffix")
    return found


def broken(objects):
    """The same objects with one mistake each, by its name."""

    def change(name, edit):
        other = copy.deepcopy(objects)
        kinds = {item["kind"]: item for item in other}
        spec = kinds["Deployment"]["spec"]["template"]["spec"]
        edit(kinds, spec["initContainers"][0], spec)
        return name, other

    def misspell(_, sidecar, __):
        sidecar["readynessProbe"] = sidecar.pop("readinessProbe")

    def sometimes(_, sidecar, __):
        sidecar["restartPolicy"] = "Sometimes"

    def root(_, sidecar, __):
        sidecar["securityContext"]["runAsUser"] = 0

    def named(_, sidecar, __):
        sidecar["ports"][0]["name"] = "http"

    def beside(_, __, spec):
        spec["containers"].append(spec.pop("initContainers")[0])

    def shared(_, sidecar, spec):
        spec["containers"][0]["volumeMounts"] = sidecar["volumeMounts"]

    def around(kinds, _, __):
        kinds["Service"]["spec"]["ports"][0]["targetPort"] = 3000

    def open_port(kinds, _, __):
        kinds["NetworkPolicy"]["spec"]["ingress"][0]["ports"].append({"port": 3000})

    def elsewhere(kinds, _, __):
        kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] = {"app": "other"}

    edits = [misspell, sometimes, root, named, beside, shared, around, open_port, elsewhere]
    return [change(edit.__name__, edit) for edit in edits]


def main():
    objects = [item for item in yaml.safe_load_all(sys.stdin) if item]
    found = faults(objects)
    for sentence in found:
        print(f"  {sentence}")
    # A check that finds nothing has to be able to find something.
    blind = [name for name, other in broken(objects) if not faults(other)]
    for name in blind:
        print(f"  the check does not notice the mistake `{name}`")
    print(f"{len(objects)} objects, Kubernetes {', '.join(VERSIONS)}: {len(found)} faults")
    sys.exit(bool(found or blind))


main()
