"""Cluster files, checked by what reads them: Ray's validation, the schemas of Kubernetes and KubeRay, bash,
shellcheck, and a batch system simulated by two small programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lan import PROGRAMS
from network import Network
from ray.autoscaler._private.util import prepare_config, validate_config
from typer.testing import CliRunner

from benchsweep.__main__ import app
from search.deploy.common import table_of
from search.deploy.kuberay import kuberay
from search.deploy.ray_up import ray_up
from search.deploy.slurm import slurm
from search.plan.naming import NAME
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.recorded_plan import RecordedPlan
from search.records.sweep import State, Sweep

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "configs" / "cluster.toml"
AWS = 'cluster.aws={region="us-west-2", nfs="fs-1.efs.us-west-2.amazonaws.com:/"}'


def plan_of(*sets: str) -> Plan:
    return Plan.read(EXAMPLE, sets)


def test_the_file_for_ray_up_with_ssh_passes_rays_validation() -> None:
    config = yaml.safe_load(ray_up(plan_of(), "test", "/plans/cluster.toml"))
    prepared = prepare_config(config)
    validate_config(prepared)
    (node,) = prepared["available_node_types"].values()
    assert prepared["max_workers"] == node["max_workers"] == node["min_workers"] == 2
    assert prepared["provider"]["worker_ips"] == ["10.0.0.11", "10.0.0.12"]
    assert prepared["file_mounts"]["~/plan.toml"] == "/plans/cluster.toml"


def test_the_file_for_ray_up_with_aws_passes_rays_validation() -> None:
    plan = plan_of("cluster.ssh=", AWS, "cluster.workers=8", "cluster.min_workers=0", "cluster.gpus=1")
    config = yaml.safe_load(ray_up(plan, "test", "/plans/cluster.toml"))
    validate_config(prepare_config(config))
    worker = config["available_node_types"]["worker"]
    assert (worker["min_workers"], worker["max_workers"]) == (0, 8)
    assert config["available_node_types"]["head"]["resources"] == {"CPU": 0}  # it may have no GPU
    (head,) = [command for command in config["head_start_ray_commands"] if "--head" in command]
    assert "--num-cpus=0 --num-gpus=0 " in head
    assert worker["resources"] == {"CPU": 8, "GPU": 1}
    assert any("fs-1.efs.us-west-2.amazonaws.com:/" in command for command in config["setup_commands"])


@pytest.mark.parametrize("sets", [(), ("cluster.ssh=", AWS)])
def test_ray_up_starts_ray_with_the_token_and_the_dashboard_on_loopback(
    sets: tuple[str, ...],
) -> None:
    config = yaml.safe_load(ray_up(plan_of(*sets), "test", "/plan.toml"))
    starts = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    assert all(command.startswith("export RAY_AUTH_MODE=token; ") for command in starts)
    (head,) = [command for command in starts if "--head" in command]
    assert "--dashboard-host=127.0.0.1" in head
    assert all("--num-cpus=8 " in command for command in starts if "--address" in command)
    assert "chmod 600 ~/.ray/auth_token" in config["setup_commands"]
    for command in [*starts, *config["setup_commands"]]:
        assert subprocess.run(["bash", "-n", "-c", command]).returncode == 0


STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
POD = {"type": "object", "required": ["spec"]}
COUNT = {"type": "integer", "minimum": 0}
RAYJOB = {
    "description": "What KubeRay's API reference says of a RayJob; the Pods are Kubernetes' own to judge.",
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "activeDeadlineSeconds": COUNT,
                "backoffLimit": COUNT,
                "clusterSelector": STRINGS,
                "deletionStrategy": {"type": "object"},
                "entrypoint": {"type": "string"},
                "entrypointNumCpus": {"type": "number"},
                "entrypointNumGpus": {"type": "number"},
                "entrypointResources": {"type": "string"},
                "jobId": {"type": "string"},
                "managedBy": {"type": "string"},
                "metadata": STRINGS,
                "rayClusterSpec": {
                    "type": "object",
                    "required": ["headGroupSpec"],
                    "additionalProperties": False,
                    "properties": {
                        "authOptions": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"mode": {"enum": ["disabled", "token"]}},
                        },
                        "autoscalerOptions": {"type": "object"},
                        "enableInTreeAutoscaling": {"type": "boolean"},
                        "gcsFaultToleranceOptions": {"type": "object"},
                        "headGroupSpec": {
                            "type": "object",
                            "required": ["template"],
                            "additionalProperties": False,
                            "properties": {
                                "enableIngress": {"type": "boolean"},
                                "headService": {"type": "object"},
                                "rayStartParams": STRINGS,
                                "serviceType": {"type": "string"},
                                "template": POD,
                            },
                        },
                        "headServiceAnnotations": STRINGS,
                        "managedBy": {"type": "string"},
                        "rayVersion": {"type": "string"},
                        "suspend": {"type": "boolean"},
                        "workerGroupSpecs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["groupName", "maxReplicas", "minReplicas", "template"],
                                "additionalProperties": False,
                                "properties": {
                                    "groupName": {"type": "string"},
                                    "idleTimeoutSeconds": COUNT,
                                    "maxReplicas": COUNT,
                                    "minReplicas": COUNT,
                                    "numOfHosts": COUNT,
                                    "rayStartParams": STRINGS,
                                    "replicas": COUNT,
                                    "scaleStrategy": {"type": "object"},
                                    "suspend": {"type": "boolean"},
                                    "template": POD,
                                },
                            },
                        },
                    },
                },
                "runtimeEnvYAML": {"type": "string"},
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
                "submitterConfig": {"type": "object"},
                "submitterPodTemplate": POD,
                "suspend": {"type": "boolean"},
                "ttlSecondsAfterFinished": COUNT,
            },
        },
    },
}


def manifest(*sets: str) -> dict[str, dict[str, Any]]:
    """The documents of the manifest, by kind."""
    text = kuberay(plan_of(*sets), "test")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.mark.parametrize("sets", [(), ("cluster.gpus=2", "cluster.min_workers=0", "cluster.workers=9")])
def test_the_manifest_for_kuberay_passes_kubernetes_schemas_and_what_is_known_of_a_rayjob(
    sets: tuple[str, ...],
) -> None:
    documents = manifest(*sets)
    assert documents.keys() == {"ConfigMap", "NetworkPolicy", "RayJob"}
    jsonschema.validate(documents["RayJob"], RAYJOB)
    spec = documents["RayJob"]["spec"]["rayClusterSpec"]
    templates = [
        spec["headGroupSpec"]["template"],
        *(group["template"] for group in spec["workerGroupSpecs"]),
    ]
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            **template,
            "metadata": {"name": "pod", **template["metadata"]},
        }
        for template in templates
    ]
    for document in (documents["ConfigMap"], documents["NetworkPolicy"], *pods):
        kubernetes_validate.validate(document, "1.33", strict=True)
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        assert {"name": "shared", "mountPath": "/mnt/benchsweep"} in container["volumeMounts"]


def test_a_rayjob_with_a_misspelt_key_does_not_pass() -> None:
    documents = manifest()["RayJob"]
    documents["spec"]["rayClusterSpec"]["authOption"] = {"mode": "token"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(documents, RAYJOB)


@pytest.mark.parametrize(
    "sets, namespace",
    [
        ((), {}),
        (
            ('cluster.kubernetes.operator="kuberay"',),
            {"matchLabels": {"kubernetes.io/metadata.name": "kuberay"}},
        ),
    ],
)
def test_with_kuberay_the_token_is_on_and_beside_its_own_pods_the_operator_alone_reaches_the_dashboard(
    sets: tuple[str, ...], namespace: dict[str, Any]
) -> None:
    documents = manifest(*sets)
    own = {"podSelector": {"matchLabels": {"benchsweep/run": "cluster"}}}
    operator = {
        "namespaceSelector": namespace,
        "podSelector": {"matchLabels": {"app.kubernetes.io/component": "kuberay-operator"}},
    }
    policy = documents["NetworkPolicy"]["spec"]
    assert {key: policy[key] for key in own} == own
    assert policy["ingress"] == [
        {"from": [own]},
        {"from": [operator], "ports": [{"protocol": "TCP", "port": 8265}]},
    ]
    cluster = documents["RayJob"]["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert all(group["template"]["metadata"]["labels"] == {"benchsweep/run": "cluster"} for group in pods)


@pytest.mark.slow
@settings(max_examples=examples(30, 200), deadline=None)
@given(st.from_regex(NAME, fullmatch=True))
@example("2026-11-29_lenet.5")
@example("9" * 100)
def test_every_run_name_gives_a_valid_name_for_kuberay(name: str) -> None:
    text = kuberay(Plan.read(EXAMPLE, [f'name="{name}"']), "test")
    for document in yaml.safe_load_all(text):
        label = document["metadata"]["name"]
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", label)
        assert len(label) <= 53
        if document["kind"] == "RayJob":
            assert len(label) <= 47  # KubeRay's MaxRayJobNameLength


def test_kuberays_submitter_is_in_the_heads_pod_and_the_config_map_has_the_plan() -> None:
    documents = manifest()
    spec = documents["RayJob"]["spec"]
    assert spec["submissionMode"] == "SidecarMode"
    assert spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["restartPolicy"] == "Never"
    embedded = Plan.parse(tomllib.loads(documents["ConfigMap"]["data"]["plan.toml"]), "embedded")
    assert embedded == plan_of().recorded
    assert "10.0.0.10" not in documents["ConfigMap"]["data"]["plan.toml"]  # [cluster] is left out


@pytest.mark.parametrize(
    "sets",
    [
        (),
        ("cluster.gpus=4", 'cluster.slurm.account="lab"'),
        ("cluster.slurm=", "cluster.setup=[]", 'cluster.shared="~/lab"'),
        (
            'cluster.resources={"licence"=4}',
            "cluster.setup=[\"echo '{{ name }} {% if %} {# c #}'\"]",
        ),
    ],
)
def test_the_rendered_slurm_script_passes_bash_and_shellcheck(tmp_path: Path, sets: tuple[str, ...]) -> None:
    script = tmp_path / "cluster.sh"
    script.write_text(slurm(plan_of(*sets), "test", "/plans/a b.toml"))
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert shellcheck is not None
    result = subprocess.run([shellcheck, str(script)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "'/plans/a b.toml'" in script.read_text()
    for command in plan_of(*sets).cluster.setup:  # what looks like a template in it is not rendered
        assert command in script.read_text().splitlines()


def test_the_slurm_script_requests_the_resources_of_the_plan() -> None:
    text = slurm(plan_of("cluster.gpus=4", 'cluster.slurm.account="lab"'), "test", "/plan.toml")
    requested = {line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")}
    assert requested == {
        *("--job-name=cluster", "--output=cluster-%j.log", "--nodes=3", "--ntasks-per-node=1"),
        *("--cpus-per-task=8", "--gpus-per-node=4", "--mem=16G", "--time=08:00:00", "--exclusive"),
        *("--signal=B:TERM@120", "--partition=cpu", "--account=lab"),
    }


SRUN = """#!/usr/bin/env bash
while [ "${1#--}" != "$1" ]; do shift; done
[ "$1" = hostname ] && { echo "$ADDRESS"; exit; }
exec "$@"
"""
SCONTROL = '#!/usr/bin/env bash\necho "$SLURM_JOB_NODELIST"\n'


@pytest.mark.slow
def test_the_slurm_script_stops_before_its_limit_fails_where_ray_does_resumes_and_deletes_its_token(
    network: Network,
) -> None:
    """As a job of one node in its own process namespace, so that `ray stop` sees only its processes."""
    (node,), shared = network("node")
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (shared / name).write_text(text)
        (shared / name).chmod(0o755)
    (shared / "small.toml").write_text(
        f"""
        trainable = "noop"
        budget = {{ trials = 3 }}
        recipe = {{ epochs = 10, seconds = 0.3 }}
        space = {{ x = {{ low = 0.0, high = 1.0 }} }}
        confirmation = {{ candidates = 0 }}
        cluster = {{ cpus = 1, shared = "{shared}/lab" }}
        """
    )
    script = shared / "small.sh"
    plan = Plan.read(shared / "small.toml")
    script.write_text(slurm(plan, "test", str(shared / "small.toml")))
    environment = {
        "PATH": f"{shared}:{PROGRAMS}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_JOB_NODELIST": "node",
        "ADDRESS": node.address,
    }
    job = ["unshare", "--pid", "--fork", "--mount-proc", "bash", str(script)]
    folder = shared / "lab" / "runs" / "small"

    process = node.start(job, environment, subprocess.PIPE)
    until = time.monotonic() + 90
    while not (folder / "study.journal").exists() or not any(
        trial.epochs for trial in Sweep.read(folder).trials
    ):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.3)
    for pid in node.pids:
        if Path(f"/proc/{pid}/cmdline").read_bytes() == f"bash\0{script}\0".encode():
            os.kill(pid, signal.SIGTERM)  # as the batch system does before the time limit
    out, errors = process.communicate(timeout=60)
    sweep = Sweep.read(folder)
    assert sweep.sessions[-1].ended == "interrupted", out[-2000:] + errors[-2000:]
    assert sweep.count(State.INTERRUPTED) == 1

    blocked = node.run(job, {**environment, "RAY_TMPDIR": "/proc/none"})
    assert blocked.returncode == 1
    assert "error: Ray must start on every node of the job, but no search ran" in blocked.stderr
    assert len(Sweep.read(folder).sessions) == 1

    done = node.run(job, environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert [trial.state for trial in Sweep.read(folder).trials] == [State.COMPLETE] * 3
    assert not list((shared / "lab").glob(".secrets*"))


def test_custom_resources_are_declared_in_all_three_files() -> None:
    plan = plan_of('cluster.resources={"licence"=4}', "resources.custom={licence=1}")
    option = """--resources='{"licence": 4.0}'"""
    assert option in slurm(plan, "test", "/plan.toml")
    config = yaml.safe_load(ray_up(plan, "test", "/plan.toml"))
    assert all(option in command for command in config["worker_start_ray_commands"] if "ray start" in command)
    (_, _, job) = yaml.safe_load_all(kuberay(plan, "test"))
    spec = job["spec"]["rayClusterSpec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        shell = subprocess.run(
            ["bash", "-c", f"printf %s {group['rayStartParams']['resources']}"],
            capture_output=True,
            text=True,
        )
        assert json.loads(shell.stdout) == {"licence": 4.0}


def test_kuberay_takes_the_credentials_of_a_storage_from_a_secret() -> None:
    spec = manifest('cluster.kubernetes.secret="store"')["RayJob"]["spec"]["rayClusterSpec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "store"}}]


@pytest.mark.parametrize(
    "kind, sets, message",
    [
        ("slurm", ("resources.custom={licence=1}",), r"a machine must hold a trial: .* licence = 1"),
        ("kuberay", ('cluster.shared="~/lab"',), r"shared: must begin with / for kuberay"),
        ("kuberay", ("cluster.kubernetes=",), r"\[cluster\] kubernetes: must be given for kuberay"),
        ("ray-up", ("cluster.ssh=",), r"\[cluster\].* must have either ssh or aws .* neither"),
        ("ray-up", (AWS,), r"\[cluster\].* must have either ssh or aws .* both"),
        ("ray-up", ("cluster.workers=3",), r"must be at most the 2 machines in ssh.workers, but got 3"),
        ("slurm", ("resources.cpus=9",), r"a machine must hold a trial: .* cpus = 9"),
        ("slurm", ("resources.gpus=1",), r"a machine must hold a trial: .* gpus = 1"),
    ],
)
def test_a_plan_that_lacks_something_is_rejected_before_a_file_is_written(
    kind: Any, sets: tuple[str, ...], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        table_of(plan_of(*sets), kind, "test")


@pytest.mark.parametrize(
    "wrong",
    [
        'cluster.shared="relative"',
        'cluster.shared="/mnt/$(id)"',
        'cluster.kubernetes.image="a b"',
        'cluster.ssh.user="me; rm -rf /"',
        'cluster.slurm.time="soon"',
        'cluster.slurm.partition="a\\nb"',
        'cluster.shared="~bob/lab"',
        'cluster.setup=["export AWS_SECRET_ACCESS_KEY=x"]',
        'cluster.setup=["export RAY_AUTH_TOKEN=x"]',
    ],
)
def test_values_that_a_shell_would_interpret_are_rejected(wrong: str) -> None:
    with pytest.raises(PlanError, match=r"\[cluster\]"):
        plan_of(wrong)


@pytest.mark.parametrize("kind", ["ray-up", "kuberay", "slurm"])
def test_the_command_writes_the_file_and_prints_the_next_commands(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "made"
    done = CliRunner().invoke(app, ["cluster", kind, str(EXAMPLE), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "Token authentication is on" in " ".join(out.read_text().replace("\n#", "").split())
    assert str(out) in done.stderr
    printed = CliRunner().invoke(app, ["cluster", kind, str(EXAMPLE)])
    assert printed.stdout == out.read_text()


def test_another_cluster_does_not_make_another_run(tmp_path: Path) -> None:
    from search.start import _check_may_continue

    run = RunFolder.named("cluster", tmp_path)
    table = json.loads(json.dumps(plan_of().to_table()))
    before = Sweep(
        run.path, "cluster", RecordedPlan.of(table), plan_of().metric, {}, (), (), (), False,
    )  # fmt: skip
    _check_may_continue(run, before, plan_of("cluster.workers=1"), extend=False)
