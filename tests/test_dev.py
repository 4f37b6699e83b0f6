"""`./dev`: what it says, and when it sets up anew. Nothing here installs anything."""

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


def load(path: Path) -> ModuleType:
    """Import a `dev` file, which has no suffix."""
    loader = SourceFileLoader("dev_under_test", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own, in a path with a space, with locks that need no network."""
    root = tmp_path / "a checkout"
    (root / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "dev", root / "dev")
    for name in ("run", "dev", "browser"):
        (root / "requirements" / f"{name}.txt").write_text(f"# {name}\n")
    return root


@pytest.fixture
def dev(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return load(checkout / "dev")


def pretend_installed(dev: ModuleType, name: str) -> None:
    dev.PYTHON.parent.mkdir(parents=True, exist_ok=True)
    dev.PYTHON.write_text("#!/bin/sh\n")
    dev.PYTHON.chmod(0o755)
    dev.STAMP.write_text(dev.stamp(name))


def ask(checkout: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(checkout / "dev"), *arguments],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


# --- what it says ----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]])
def test_help_lists_every_command(checkout: Path, arguments: list[str]) -> None:
    answer = ask(checkout, *arguments)
    assert answer.returncode == 0
    listed = re.findall(r"(?m)^  (\w+) ", answer.stdout)
    assert listed == ["demo", "test", "check", "format", "lock", "run", "bench", "prove", "help"]


def test_an_unknown_command_is_one_line_and_status_2(checkout: Path) -> None:
    answer = ask(checkout, "deploy")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == "./dev: there is no command 'deploy'; ./dev help lists them\n"


def test_run_without_a_command_says_how(checkout: Path) -> None:
    answer = ask(checkout, "run", "--")
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1


def test_lock_without_uv_says_so(checkout: Path) -> None:
    answer = ask(checkout, "lock", PATH="/nowhere")
    assert answer.returncode == 1
    assert answer.stderr == "./dev: 'lock' needs uv on PATH; nothing else here does\n"


def test_a_missing_lock_is_a_message_and_no_traceback(checkout: Path) -> None:
    (checkout / "requirements" / "run.txt").unlink()
    answer = ask(checkout, "demo")
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert "run.txt" in answer.stderr.splitlines()[-1]


def test_a_file_in_the_way_is_a_message_and_no_traceback(checkout: Path) -> None:
    (checkout / ".venv").touch()
    answer = ask(checkout, "demo")
    assert answer.returncode == 1
    assert (
        answer.stderr.splitlines()[-1]
        == f"./dev: cannot write to {checkout}/.venv: Not a directory"
    )


def test_an_old_python_is_told_what_is_needed(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "PYTHON_FLOOR", (9, 9))
    monkeypatch.setattr(dev, "PYTHONS", ())
    assert dev.main(["demo"]) == 1
    assert "needs Python 9.9 or newer, and this is 3." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("ERROR: Could not find a version (from versions: none)", "cannot be reached"),
        ("Caused by: dns error", "cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM", "does not match its locked hash"),
        ("first\nsomething new\n\n", "something new"),
        ("", "does not say why"),
    ],
)
def test_an_installer_s_words_become_one_line(dev: ModuleType, said: str, meant: str) -> None:
    assert meant in dev.diagnosis(said)


# --- when it sets up anew --------------------------------------------------------------------


def test_what_is_installed_is_not_installed_again(dev: ModuleType) -> None:
    assert not dev.is_ready("run")
    pretend_installed(dev, "run")
    assert dev.is_ready("run")
    assert not dev.is_ready("dev")


def test_a_larger_lock_serves_a_smaller_wish(dev: ModuleType) -> None:
    pretend_installed(dev, "browser")
    assert [dev.is_ready(name) for name in dev.LOCKS] == [True, True, True]


def test_a_changed_lock_is_installed(dev: ModuleType) -> None:
    pretend_installed(dev, "dev")
    dev.lock_file("dev").write_text("changed\n")
    assert not any(map(dev.is_ready, dev.LOCKS))


def test_another_python_or_a_moved_checkout_is_set_up_anew(
    dev: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_installed(dev, "run")
    with monkeypatch.context() as other:
        other.setattr(sys, "version_info", (3, 99, 0))
        assert not dev.is_ready("run")
    assert dev.is_ready("run")
    moved = checkout.with_name("moved")
    checkout.rename(moved)
    assert not load(moved / "dev").is_ready("run")


def test_an_environment_without_its_python_is_set_up_anew(dev: ModuleType) -> None:
    pretend_installed(dev, "run")
    dev.PYTHON.unlink()
    assert not dev.is_ready("run")


def test_a_set_up_that_fails_is_not_taken_for_done(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(_name: str) -> None:
        raise KeyboardInterrupt

    pretend_installed(dev, "run")
    monkeypatch.setattr(dev, "install", cut_short)
    assert dev.main(["test"]) == 130
    assert not any(map(dev.is_ready, dev.LOCKS))


def test_the_next_installer_has_its_turn(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def attempt(*command: str, **_: Path) -> tuple[bool, str]:
        tried.append(command[0])
        return command[0] == "second", "Caused by: dns error"

    for rung, installer in {"uv": "first", "outer_pip": "", "bundled_pip": "second"}.items():
        monkeypatch.setattr(dev, rung, lambda installer=installer: [installer] if installer else [])
    monkeypatch.setattr(dev, "attempt", attempt)
    dev.install("run")
    assert tried == ["first", "second"]


def test_no_installer_is_a_message_with_the_cure(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rung in ("uv", "outer_pip", "bundled_pip", "debian_pip"):
        monkeypatch.setattr(dev, rung, list)
    with pytest.raises(dev.CannotGoOn, match=r"get uv.*apt-get install python3-venv"):
        dev.install("run")


def test_a_real_environment_runs_commands_inside(checkout: Path) -> None:
    """With empty locks: the environment is real, and there is nothing to download."""
    program = "import sys; print(sys.prefix); sys.exit(7)"
    answer = ask(checkout, "run", "--", "python", "-c", program)
    assert answer.returncode == 7, answer.stderr
    assert answer.stdout.strip() == str(checkout / ".venv")
    assert "setting up" in answer.stderr
    assert "setting up" not in ask(checkout, "run", "--", "true").stderr
    assert (checkout / ".venv" / "bin" / "headstart").stat().st_mode & stat.S_IXUSR


# --- the browser -----------------------------------------------------------------------------


def test_the_named_browser_is_taken(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "can_load", lambda _: True)
    monkeypatch.setenv("CHROMIUM", "/opt/some/chromium")
    assert dev.find_browser() == "/opt/some/chromium"


def test_no_browser_is_an_empty_answer_for_the_tests_to_report(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(dev, "can_load", lambda _: True)
    monkeypatch.setattr(dev, "BROWSERS", ())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(dev, "attempt", lambda *_: (False, ""))
    assert dev.find_browser() == ""
