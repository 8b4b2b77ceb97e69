"""The files of deploy/ for Ray clusters: they parse, and fit the program and its versions."""

from __future__ import annotations

import json
import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

from inkdigits.cli.program import parse

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def job() -> dict[str, Any]:
    """The job of the KubeRay operator."""
    (found,) = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text(encoding="utf-8"))
    return dict(found)


def test_the_cluster_fits_the_schema_of_ray() -> None:
    cluster = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text(encoding="utf-8"))
    schema = json.loads(
        (Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text(encoding="utf-8")
    )

    jsonschema.validate(cluster, schema)
    assert cluster["max_workers"] == len(cluster["provider"]["worker_ips"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**cluster, "max_worker": 2}, schema)


def test_the_job_starts_a_batch_and_continues_it(job: dict[str, Any]) -> None:
    shell, flag, script = shlex.split(job["spec"]["entrypoint"])
    commands = [shlex.split(command)[1:] for command in script.split("||")]

    assert (shell, flag) == ("sh", "-c")
    (name, first), (_, second) = (parse(command) for command in commands)
    assert name == "batch"
    assert (first.ray, first.resume, second.resume) == ("auto", False, True)
    assert (first.source, first.output) == (second.source, second.output)


def test_the_job_has_the_version_of_ray_that_is_installed(job: dict[str, Any]) -> None:
    dockerfile = (DEPLOY / "ray.dockerfile").read_text(encoding="utf-8")

    assert job["spec"]["rayClusterSpec"]["rayVersion"] == version("ray")
    assert re.findall(r"ray\[default\]==([\d.]+)", dockerfile) == [version("ray")]


def test_head_and_workers_run_the_same_image(job: dict[str, Any]) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    containers = [group["template"]["spec"]["containers"][0] for group in groups]

    assert len({container["image"] for container in containers}) == 1
    assert [container["envFrom"] for container in containers] == [containers[0]["envFrom"]] * 2
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
