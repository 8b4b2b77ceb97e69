"""Executes the steps of the Dockerfile without a builder of images, and starts what they give.

    make try-image
    python tests/try_image.py --json results/image.json

Each stage is a copy-on-write view of this machine's root folder, in a mount namespace of its own:
nothing outside changes. This machine's Python 3.11 stands in for that of the base image. The
service is started as the Dockerfile says, as its user, without capabilities, on a read-only root.
Needs Linux and root. The exit status is 1 if a step fails, or if no start is ready in time: other
programs on the machine can only add to the time of a start.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).parents[1]
PICTURE: Final = PROJECT / "samples" / "7-canvas.png"
READY_S: Final = 2.0
STARTS: Final = 5
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Stage:
    """A stage of a Dockerfile, and the folder with its root.

    Attributes:
        root: The folder.
        folder: Value of WORKDIR.
        user: Value of USER.
        environment: Values of ENV.
        entrypoint: Words of ENTRYPOINT.
        healthcheck: Words of HEALTHCHECK's CMD.
    """

    root: Path
    folder: str = "/"
    user: int = 0
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH, "HOME": "/"})
    entrypoint: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)

    def locate(self, path: str) -> Path:
        """Returns where a path of the stage is on this machine."""
        return self.root / str(Path(self.folder) / path).lstrip("/")

    def wrap(self, words: list[str]) -> list[str]:
        """Returns a command that runs words in the stage, as its user without capabilities."""
        user = str(self.user)
        drop = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs"]
        return [
            *("chroot", str(self.root), *drop, "--bounding-set=-all", "--inh-caps=-all"),
            *("env", "-i", *(f"{key}={text}" for key, text in self.environment.items()), *words),
        ]


def parse_dockerfile(text: str) -> list[tuple[str, str]]:
    """Returns the instructions of a Dockerfile: name and arguments, with lines joined."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\s*\\\n\s*", " ", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def main() -> int:
    """Executes everything, prints the result, and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")
    parser.add_argument(
        "--where-possible", action="store_true", help="exit status 0 where the steps cannot run"
    )
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if (reason := find_obstacle()) is not None:
        print(f"the steps of the Dockerfile cannot be executed here: {reason}", file=sys.stderr)
        return int(not options.where_possible)
    if options.inside is None:
        return run_inside(sys.argv[1:])
    mount("-t", "tmpfs", "tmpfs", str(options.inside))
    result = measure(build(options.inside))
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(result["ready_s"] > READY_S)


def run_inside(arguments: list[str]) -> int:
    """Runs this script in a mount namespace, and returns its exit status.

    All mounts end with the namespace. Nothing is removed but the empty folder that they were in:
    removing its content would reach what is mounted there.
    """
    place = Path(tempfile.mkdtemp(prefix="inkdigits-image-"))
    try:
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, __file__]
        return subprocess.run([*command, *arguments, "--inside", place], check=False).returncode
    finally:
        place.rmdir()


def find_obstacle() -> str | None:
    """Returns why this machine cannot execute the steps; None if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "Linux and root are needed, for mounts in a namespace"
    missing = [name for name in ("unshare", "setpriv", "chroot") if shutil.which(name) is None]
    if missing or not Path("/usr/bin/python3.11").exists():
        return f"missing: {', '.join([*missing, '/usr/bin/python3.11'])}"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "mount namespaces are not permitted"


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def start_stage(place: Path, number: int) -> Stage:
    """Mounts a copy-on-write view of the root folder, with `python` as in the base image."""
    folders = [place / f"{name}-{number}" for name in ("upper", "work", "root")]
    for folder in folders:
        folder.mkdir()
    upper, work, root = folders
    mount(
        *("-t", "overlay", "overlay", str(root)),
        *("-o", f"lowerdir=/,upperdir={upper},workdir={work}"),
    )
    mount("-t", "proc", "proc", str(root / "proc"))
    mount("--bind", "/dev", str(root / "dev"))
    mount("-o", "remount,bind,ro", str(root / "dev"))  # no step may remove devices
    mount("-t", "tmpfs", "tmpfs", str(root / "dev" / "shm"))
    python = root / "usr" / "local" / "bin" / "python"
    python.unlink(missing_ok=True)
    python.symlink_to("/usr/bin/python3.11")
    return Stage(root)


def build(place: Path) -> Stage:
    """Executes the instructions of the Dockerfile, and returns its last stage."""
    ignored = (PROJECT / ".dockerignore").read_text(encoding="utf-8").split()
    context = {line[1:] for line in ignored if line.startswith("!")}
    stages: dict[str, Stage] = {}
    stage = Stage(place)
    for name, words in parse_dockerfile((PROJECT / "Dockerfile").read_text(encoding="utf-8")):
        print(f"{name} {words}"[:100], file=sys.stderr, flush=True)
        if name == "FROM":
            image, _, alias = words.partition(" AS ")
            if not image.startswith("python:3.11"):
                sys.exit(f"the base image is {image}, but Python 3.11 stands in for it")
            stage = start_stage(place, len(stages))
            stages[alias or "last"] = stage
        elif name == "WORKDIR":
            stage.folder = words
            stage.locate(".").mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            copy(stage, words.split(), stages, context)
        elif name == "RUN":
            run_step(stage, words)
        elif name == "ENV":
            pairs = (pair.partition("=") for pair in shlex.split(words))
            for key, _, text in pairs:
                stage.environment[key] = text.replace("$PATH", stage.environment["PATH"])
        elif name == "USER":
            stage.user = int(words)
        elif name == "ENTRYPOINT":
            stage.entrypoint = json.loads(words)
        elif name == "HEALTHCHECK":
            stage.healthcheck = json.loads(words[words.index("[") :])
        elif name not in ("EXPOSE", "STOPSIGNAL"):
            sys.exit(f"{name} is an instruction that this script does not know")
    return stage


def copy(stage: Stage, words: list[str], stages: dict[str, Stage], context: set[str]) -> None:
    """Executes COPY, from the checkout or from another stage."""
    source = PROJECT
    if words[0].startswith("--from="):
        origin = stages[words.pop(0).removeprefix("--from=")]
        source = origin.root
    *names, target = words
    for name in names:
        if source == PROJECT and name not in context:
            sys.exit(f"{name} is copied, but .dockerignore leaves it out")
        origin_path = source / name.lstrip("/")
        destination = stage.locate(target)
        if origin_path.is_dir():
            shutil.copytree(origin_path, destination, symlinks=True, dirs_exist_ok=True)
        else:
            is_folder = target.endswith("/") or destination.is_dir()
            shutil.copy2(origin_path, destination / name if is_folder else destination)


def run_step(stage: Stage, command: str) -> None:
    """Executes RUN in the stage, as root, with this machine's settings of pip."""
    settings = {key: text for key, text in os.environ.items() if key.startswith(("PIP_", "SSL_"))}
    ended = subprocess.run(
        ["chroot", str(stage.root), "/bin/sh", "-ec", f"cd {shlex.quote(stage.folder)}; {command}"],
        env={**settings, **stage.environment},
        check=False,
        stdout=sys.stderr,
    )
    if ended.returncode:
        sys.exit(f"a step ended with {ended.returncode}: {command}")


def measure(stage: Stage) -> dict[str, Any]:
    """Starts the service several times on a read-only root, and returns what was measured."""
    size = subprocess.run(
        ["du", "-sm", str(stage.root / "opt" / "inkdigits")],
        capture_output=True,
        text=True,
        check=True,
    )
    mount("-o", "remount,ro", str(stage.root))
    for path in ("/tmp/x", "/opt/inkdigits/x", "/corrections/x"):
        command = stage.wrap(["touch", path])
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0:
            sys.exit(f"{path} could be written on a read-only root")
    starts = [start(stage) for _ in range(STARTS)]
    seconds = [each for each, _ in starts]
    return {
        "user": stage.user,
        "installed_mb": int(size.stdout.split()[0]),
        "limit_s": READY_S,
        "ready_s": round(min(seconds), 2),
        "each_s": [round(each, 2) for each in seconds],
        "cpu_s": round(statistics.median(each for _, each in starts), 2),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def start(stage: Stage) -> tuple[float, float]:
    """Starts the service, reads a picture with it, and stops it.

    Returns:
        Seconds until it was ready, and the CPU time of its process until then.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(stage.wrap([*stage.entrypoint, "--port", str(port)]))
    try:
        while not answers(f"http://127.0.0.1:{port}/v2/health/ready"):
            if process.poll() is not None or time.perf_counter() - started > 60:
                sys.exit(f"the service ended with {process.returncode}, or was not ready in 60 s")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        times = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
        check = [word.replace("8000", str(port)) for word in stage.healthcheck]
        subprocess.run(stage.wrap(check), check=True)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/read",
            data=PICTURE.read_bytes(),
            headers={"Content-Type": "image/png"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            read = json.load(answer)
        if read[0]["text"] != "7":
            sys.exit(f"the service read {read[0]['text']!r} instead of '7'")
        owner = Path(f"/proc/{process.pid}").stat().st_uid
        if owner != stage.user or owner == 0:
            sys.exit(f"the service runs as user {owner}: expected {stage.user}")
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)
    if status != 0:
        sys.exit(f"the service ended with status {status} after SIGTERM")
    return seconds, cpu_s


def answers(address: str) -> bool:
    """Whether an address answers with status 200."""
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
