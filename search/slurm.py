"""A plan's cluster as a batch script for Slurm: Ray on all nodes of one job, while the search lasts."""

from __future__ import annotations

import shlex

from search.cluster_files import PORT, command, header, line, table_of
from search.plan import Plan


def slurm(plan: Plan, origin: str, path: str) -> str:
    """The script's text. path: of the plan's file, absolute, which every node sees. Raises PlanError."""
    table = table_of(plan, "slurm", origin)
    own = table.slurm
    shared = shlex.quote(table.shared.rstrip("/")) if not table.shared.startswith("~") else table.shared
    directives = [
        f"--job-name={plan.name}",
        f"--nodes={table.workers + 1}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={table.cpus}",
        f"--mem={table.memory_gib}G",
        f"--time={own.time}",
        f"--output={plan.name}-%j.log",
        # A minute before the limit, so that the search ends in order; resumed, it goes on.
        "--signal=B:TERM@60",
        *([f"--gpus-per-node={table.gpus}"] if table.gpus else []),
        *([f"--partition={own.partition}"] if own.partition else []),
        *([f"--account={own.account}"] if own.account else []),
    ]
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
(
    umask 077
    mkdir -p "$secrets"
    python3 -c 'import secrets; print(secrets.token_hex(32))' > "$secrets/token"
)
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$secrets/token"

nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$(head -n 1 <<< "$nodes")
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | cut -d ' ' -f 1)

srun ray symmetric-run \\
    --address "$address:{PORT}" \\
    --min-nodes "$SLURM_JOB_NUM_NODES" \\
    --num-cpus={table.cpus} --num-gpus={table.gpus} \\
    --dashboard-host=127.0.0.1 --disable-usage-stats \\
    -- {line(command(table, path))} &
running=$!
trap 'kill -TERM "$running"' TERM
status=0
wait "$running" || status=$?
if [ "$status" -gt 128 ] && kill -0 "$running" 2> /dev/null; then  # it was the signal that ended the waiting
    status=0
    wait "$running" || status=$?
fi
exit "$status"
"""
    )


def after(name: str) -> list[str]:
    """What to type then. name: of the file."""
    return [f"sbatch {name}", "squeue --me"]
