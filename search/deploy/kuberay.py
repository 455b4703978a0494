"""A plan's cluster as a KubeRay RayJob: a manifest for `kubectl apply`."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import yaml

from search.deploy.common import PORT, command, header, line, resources_of, table_of
from search.plan.cluster_table import ClusterTable, Kubernetes
from search.plan.plan import Plan

DASHBOARD = 8265
_FOLDER = "/etc/benchsweep"
_OPERATOR = {"app.kubernetes.io/component": "kuberay-operator"}
"""Labels of KubeRay's operator in its Helm chart and in its manifests."""


def kuberay(plan: Plan, origin: str) -> str:
    """The manifest: a ConfigMap with the plan, a NetworkPolicy, and the RayJob. Raises PlanError.

    The policy admits the cluster's own Pods and, to the dashboard, KubeRay's operator.
    """
    table = table_of(plan, "kuberay", origin)
    assert table.kubernetes is not None
    name = _label(plan.name)
    namespace = table.kubernetes.namespace
    metadata = {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": "benchsweep"}}
    documents = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**metadata, "name": f"{name}-plan"},
            "data": {"plan.toml": plan.recorded.to_toml()},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {**metadata, "name": f"{name}-inside"},
            "spec": {
                "podSelector": {"matchLabels": {"benchsweep/run": name}},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {"from": [{"podSelector": {"matchLabels": {"benchsweep/run": name}}}]},
                    {
                        "from": [_operator(table.kubernetes)],
                        "ports": [{"protocol": "TCP", "port": DASHBOARD}],
                    },
                ],
            },
        },
        {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": metadata, "spec": _job(table, name)},
    ]
    body = yaml.dump_all(documents, Dumper=_Readable, sort_keys=False, width=120)
    return header("kuberay", plan) + body


def _label(name: str) -> str:
    """The run's name as a valid name of a RayJob: at most 47 letters, digits and dashes, the first a
    letter."""
    label = name.lower().replace(".", "-").replace("_", "-")[:40].strip("-")
    return label if label[0].isalpha() else f"run-{label}"


def _operator(kubernetes: Kubernetes) -> dict[str, Any]:
    """Selector of the Pods of KubeRay's operator."""
    namespace = kubernetes.operator and {"matchLabels": {"kubernetes.io/metadata.name": kubernetes.operator}}
    return {"namespaceSelector": namespace or {}, "podSelector": {"matchLabels": _OPERATOR}}


class _Readable(yaml.SafeDumper):
    """Writes strings of several lines as block scalars."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)


def _job(table: ClusterTable, name: str) -> dict[str, Any]:
    params = {"num-cpus": str(table.cpus)}
    if table.resources:
        params["resources"] = json.dumps(resources_of(table))  # KubeRay's shell removes one pair of quotes
    return {
        # The submitter is a container of the head's Pod, so the policy need not admit another Pod.
        "submissionMode": "SidecarMode",
        "entrypoint": line(command(table, f"{_FOLDER}/plan.toml")),
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": 60,
        "backoffLimit": 3,  # each retry is a new cluster, which resumes the run
        "rayClusterSpec": {
            "rayVersion": version("ray"),
            "authOptions": {"mode": "token"},
            "enableInTreeAutoscaling": table.minimum_workers < table.workers,
            "headGroupSpec": {
                # The operator asks the dashboard whether the job has finished. Without access to it, it would
                # treat a finished job as failed, and start it again.
                "rayStartParams": {"dashboard-host": "0.0.0.0", **params},
                "template": _pod(table, name, "ray-head", head=True),
            },
            "workerGroupSpecs": [
                {
                    "groupName": "workers",
                    "replicas": table.minimum_workers,
                    "minReplicas": table.minimum_workers,
                    "maxReplicas": table.workers,
                    "rayStartParams": dict(params),
                    "template": _pod(table, name, "ray-worker", head=False),
                }
            ],
        },
    }


def _pod(table: ClusterTable, name: str, container: str, head: bool) -> dict[str, Any]:
    assert table.kubernetes is not None
    size = {"cpu": str(table.cpus), "memory": f"{table.memory_gib}Gi"}
    if table.gpus:
        size["nvidia.com/gpu"] = str(table.gpus)
    mounts = [{"name": "shared", "mountPath": table.shared}]
    volumes: list[dict[str, Any]] = [
        {"name": "shared", "persistentVolumeClaim": {"claimName": table.kubernetes.claim}}
    ]
    ports = []
    if head:
        mounts.append({"name": "plan", "mountPath": _FOLDER})
        volumes.append({"name": "plan", "configMap": {"name": f"{name}-plan"}})
        ports = [{"containerPort": PORT, "name": "gcs-server"}]
    spec: dict[str, Any] = {
        "containers": [
            {
                "name": container,
                "image": table.kubernetes.image,
                "resources": {"limits": dict(size), "requests": dict(size)},
                **({"ports": ports} if ports else {}),
                **(
                    {"envFrom": [{"secretRef": {"name": secret}}]}
                    if (secret := table.kubernetes.secret)
                    else {}
                ),
                "volumeMounts": mounts,
                "securityContext": {"allowPrivilegeEscalation": False},
            }
        ],
        "volumes": volumes,
        "automountServiceAccountToken": table.minimum_workers < table.workers and head,  # for the autoscaler
    }
    if head:
        spec["restartPolicy"] = "Never"  # required by SidecarMode
    return {"metadata": {"labels": {"benchsweep/run": name}}, "spec": spec}


def after(table: ClusterTable, name: str) -> list[str]:
    """The shell commands that use the file `name`."""
    assert table.kubernetes is not None
    namespace = table.kubernetes.namespace
    return [f"kubectl apply -f {name}", f"kubectl get rayjobs -n {namespace} --watch"]
