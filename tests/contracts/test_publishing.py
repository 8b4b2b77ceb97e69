"""What is needed to publish: version, changelog, citation, workflows, and what the sdist holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

import inkdigits

PROJECT = Path(__file__).parents[2]
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((PROJECT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
GROUPS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def list_runs(path: Path) -> list[str]:
    """The shell commands of all steps of a workflow."""
    jobs = load(path)["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_the_version_is_in_one_place() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["project"]["dynamic"] == ["version"]
    assert PROJECT / project["tool"]["hatch"]["version"]["path"] == Path(inkdigits.__file__)
    assert str(Version(inkdigits.__version__)) == inkdigits.__version__
    assert "version" not in load(PROJECT / "CITATION.cff")


def check_changelog(text: str) -> None:
    """Raises AssertionError if a changelog is not in the form of Keep a Changelog."""
    assert text.startswith("# Changelog\n")
    assert "keepachangelog.com" in text
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    releases = [re.fullmatch(r"\[(\S+)\] - \d{4}-\d\d-\d\d", name) for name in headings[1:]]
    versions = [Version(found[1]) for found in releases if found is not None]
    assert len(versions) == len(releases), "a release is '## [1.2.3] - 2026-01-31'"
    assert versions == sorted(versions, reverse=True)
    for section in re.split(r"^## .*\n", text, flags=re.MULTILINE)[1:]:
        beginning, *groups = re.split(r"^### (.*)\n", section, flags=re.MULTILINE)
        assert not beginning.strip(), f"each change is in one of {GROUPS}: {beginning.strip()[:80]}"
        names, contents = groups[::2], groups[1::2]
        assert names == [name for name in GROUPS if name in names], names
        for content in contents:
            lines = content.strip().splitlines()
            assert lines
            assert all(line.startswith(("- ", "  ")) for line in lines), content


def test_the_changelog_has_its_form() -> None:
    check_changelog((PROJECT / "CHANGELOG.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "damage",
    [
        ("## [Unreleased]", "## 0.1.0 (unreleased)"),
        ("### Added", "### New"),
        ("### Added\n", "- a change without a group\n\n### Added\n"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n## [0.1.0]\n"),
    ],
)
def test_other_forms_are_found(damage: tuple[str, str]) -> None:
    text = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8").replace(*damage, 1)
    with pytest.raises(AssertionError):
        check_changelog(text)


def test_the_citation_names_what_cff_requires() -> None:
    citation = load(PROJECT / "CITATION.cff")

    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["title"] == "inkdigits"
    assert citation["license"] == "MIT"
    assert all({"name"} <= set(author) for author in citation["authors"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_what_is_there(path: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    runs = "\n".join(list_runs(path))

    for target in re.findall(r"\bmake ([a-z-]+)", runs):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for names in re.findall(r"\.\[([a-z,-]+)\]", runs):
        assert set(names.split(",")) <= set(extras)
    for script in re.findall(r"(?:python |=\S+ )(\S+/\S+\.py|\.ci/run)", runs):
        assert (PROJECT / script).is_file(), script


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_actions_and_ask_for_few_rights(path: Path) -> None:
    workflow = load(path)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]

    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", action), action
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_tests_run_on_each_system_and_python() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = {
        name.rpartition(" ")[2]
        for name in project["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", name)
    }
    jobs = load(PROJECT / ".github" / "workflows" / "tests.yml")["jobs"]

    for name in ("systems", "wheels"):
        matrix = jobs[name]["strategy"]["matrix"]
        assert set(matrix["python"]) == supported == {"3.11", "3.12", "3.13", "3.14"}
        assert {system.partition("-")[0] for system in matrix["os"]} == {
            *("ubuntu", "windows", "macos"),
        }


def test_a_release_is_built_checked_attested_and_only_then_published() -> None:
    workflow = load(PROJECT / ".github" / "workflows" / "release.yml")
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    used = [step.get("uses", "").partition("@")[0] for step in build["steps"]]

    assert "actions/attest-build-provenance" in used
    assert used.index("actions/attest-build-provenance") < used.index("actions/upload-artifact")
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in (PROJECT / ".github" / "workflows" / "release.yml").read_text()
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile[makefile.index("\ndist:") : makefile.index("\ntry-wheels:")]
    assert all(tool in recipe for tool in ("-m build", "twine check", "check-wheel-contents"))


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_have_what_github_requires(path: Path) -> None:
    form = load(path)
    if path.stem == "config":
        assert set(form) == {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(form)
    questions = [part for part in form["body"] if part["type"] != "markdown"]
    identifiers = [part["id"] for part in questions]
    assert len(set(identifiers)) == len(identifiers) > 1
    assert all(part["attributes"]["label"] for part in questions)
    assert {part["type"] for part in form["body"]} <= {
        *("markdown", "textarea", "input", "dropdown", "checkboxes"),
    }


@pytest.mark.slow
def test_the_source_distribution_builds_and_passes_tests_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")

    def run(*arguments: str, cwd: Path, **environment: str) -> None:
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, (ended.stdout + ended.stderr)[-3000:]

    build = ("-m", "build", "--no-isolation", "--outdir", str(tmp_path))
    run(*build, "--sdist", str(PROJECT), cwd=tmp_path)
    (archive,) = tmp_path.glob("inkdigits-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (root,) = tmp_path.glob("inkdigits-*/")
    for name in ("docs", "deploy", "constraints.txt", "Makefile", ".ci/run", "LICENSE"):
        assert (root / name).exists(), name
    run(*build, "--wheel", str(root), cwd=tmp_path)
    run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_suggestions.py"),
        *(
            "tests/test_percentages.py",
            "tests/test_text_tables.py",
            "tests/recognition/test_opencv.py",
        ),
        cwd=root,
        PYTHONPATH=str(root / "src"),
    )
