"""A plan's cluster as a batch script for Slurm: Ray on all nodes of one job, while the search lasts."""

from __future__ import annotations

import shlex

from search.deploy.common import PORT, command, header, line, resources_of, table_of
from search.plan.plan import Plan


def slurm(plan: Plan, origin: str, path: str) -> str:
    """The script's text. path: of the plan's file, absolute, which every node sees. Raises PlanError."""
    table = table_of(plan, "slurm", origin)
    own = table.slurm
    shared = line([table.shared.rstrip("/")])
    directives = [
        f"--job-name={plan.name}",
        f"--nodes={table.workers + 1}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={table.cpus}",
        f"--mem={table.memory_gib}G",
        f"--time={own.time}",
        f"--output={plan.name}-%j.log",
        "--exclusive",  # Ray's ports, and its own stop at the end, are a machine's
        # Two minutes before the limit, so that the search ends in order; resumed, it goes on.
        "--signal=B:TERM@120",
        *([f"--gpus-per-node={table.gpus}"] if table.gpus else []),
        *([f"--partition={own.partition}"] if own.partition else []),
        *([f"--account={own.account}"] if own.account else []),
    ]
    custom = f" --resources={shlex.quote(declared)}" if (declared := resources_of(table)) else ""
    setup = "".join(
        f"# shellcheck disable=SC1091 # it is there on the nodes\n{each}\n" for each in table.setup
    )
    return (
        "#!/usr/bin/env bash\n"
        + "".join(f"#SBATCH {each}\n" for each in directives)
        + header("slurm", plan)
        + f"""set -euo pipefail
{setup}
shared={shared}
mkdir -p "$shared/runs" "$shared/data"

# A token of this job's own, which its owner alone may read, and which goes with it.
secrets="$shared/.secrets-$SLURM_JOB_ID"
trap 'rm -rf "$secrets"' EXIT
rm -rf "$secrets"
mkdir -m 700 "$secrets"
(
    umask 077
    python3 -c 'import secrets; print(secrets.token_hex(32))' > "$secrets/token"
)
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$secrets/token"
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300  # seconds; packages on a shared disk load slowly at first
export SRUN_CPUS_PER_TASK={table.cpus}  # which srun does not take over from the job

nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$(head -n 1 <<< "$nodes")
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --all-ip-addresses \\
    | awk '{{ for (i = 1; i <= NF && !found; i++) if ($i ~ /^[0-9.]+$/) {{ print $i; found = 1 }} }}')

srun ray symmetric-run \\
    --address "$address:{PORT}" \\
    --min-nodes "$SLURM_JOB_NUM_NODES" \\
    --num-cpus={table.cpus} --num-gpus={table.gpus}{custom} \\
    --dashboard-host=127.0.0.1 --disable-usage-stats \\
    -- {line(command(table, path))} &
running=$!
trap 'benchsweep stop {plan.name} --runs "$shared/runs" --wait 100 || true' TERM
status=0
wait "$running" || status=$?
while kill -0 "$running" 2> /dev/null; do  # it was the signal that ended the waiting
    status=0
    wait "$running" || status=$?
done
exit "$status"
"""
    )


def after(name: str) -> list[str]:
    """What to type then. name: of the file."""
    return [f"sbatch {name}", "squeue --me"]
