"""Submit jobs to the Slurm named by SLURM_CONF and wait for them."""
import os
import pathlib
import re
import subprocess
import time

ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL"}


class Job:
    """A submitted job: `state`, `exit_code` and `restarts` as Slurm tells, `output` as the script wrote it."""

    def __init__(self, root, script, *args, options=(), **environment):
        self.root = pathlib.Path(root)
        command = ["sbatch", "--parsable", *options, f"jobs/{script}.sbatch", *map(str, args)]
        own = {key: value for key, value in os.environ.items() if key != "NKE_DATA"}  # the folder's files
        self.id = subprocess.run(command, cwd=root, env={**own, **environment}, check=True, text=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout.strip()

    @classmethod
    def submitted(cls, root, number):
        """A job that something else submitted from the folder `root`."""
        job = cls.__new__(cls)
        job.root, job.id = pathlib.Path(root), number
        return job

    def show(self):
        text = subprocess.run(["scontrol", "-o", "show", "job", self.id], check=True, text=True, stdout=subprocess.PIPE).stdout
        return dict(re.findall(r"(\w+)=(\S+)", text.splitlines()[0]))

    @property
    def output(self):
        return "".join(path.read_text() for path in sorted(self.root.glob(f"nke-*-{self.id}*.out")))

    def wait_for(self, condition, what, seconds=240):
        """Poll until condition(fields of scontrol); the fields."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            fields = self.show()
            if condition(fields):
                return fields
            time.sleep(0.2)
        raise AssertionError(f"job {self.id}: no {what} within {seconds} s; now {fields['JobState']}\n{self.output}")

    def wait(self, seconds=240):
        fields = self.wait_for(lambda fields: fields["JobState"] in ENDED, "end", seconds)
        return fields["JobState"], int(fields["ExitCode"].split(":")[0]), int(fields.get("Restarts", 0))

    def must(self, **options):
        """Wait for COMPLETED; the number of restarts."""
        state, code, restarts = self.wait(**options)
        assert state == "COMPLETED", f"job {self.id}: {state}, exit {code}\n{self.output}"
        return restarts
