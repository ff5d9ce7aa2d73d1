"""The containers: pinned, closed to the outside, and set up as the program expects."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.config import Config, load
from stream.config_notify import Alertmanager

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("burnline:")}
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
CONFIGURATION = load(ROOT / "deploy" / "burnline.yaml", {})


def test_the_pipeline_and_what_it_needs_are_there() -> None:
    assert list(SERVICES) == [
        "kafka", "topics", "meter", "worker", "serve", "prometheus", "alertmanager", "grafana",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_one_exact_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])


def test_our_image_is_built_on_an_exact_python_and_is_not_root() -> None:
    stages = re.findall(r"^FROM (.+)$", DOCKERFILE, re.MULTILINE)
    assert stages[0] == f"{stages[1]} AS build" and len(stages) == 2
    assert re.fullmatch(r"python:3\.12\.\d+-slim-bookworm", stages[1])
    assert re.search(r"^USER burnline$", DOCKERFILE, re.MULTILINE)
    assert "--constraint /build/requirements.lock" in DOCKERFILE
    assert 'ENTRYPOINT ["burnline"]' in DOCKERFILE


def test_our_image_has_the_projects_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {service["image"] for service in OURS.values()} == {f"burnline:{version[1]}"}


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_given_to_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert port.startswith("127.0.0.1:"), port


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_and_folder_that_is_mounted_exists_and_can_only_be_read(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        source, _, mode = volume.split(":") if volume.count(":") == 2 else (*volume.split(":"), "rw")
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == "ro", volume
        else:
            assert source in COMPOSE["volumes"]


def test_every_service_can_tell_whether_it_is_well() -> None:
    for name, service in SERVICES.items():
        if name in OURS:
            continue
        assert service["healthcheck"]["test"][0] == "CMD", name
    assert f"127.0.0.1:{CONFIGURATION.metrics.port}/metrics" in DOCKERFILE
    assert {name for name, service in OURS.items() if "healthcheck" in service} == {"topics"}  # it ends


def test_nothing_of_ours_starts_before_its_topics_are_there() -> None:
    assert SERVICES["topics"]["command"] == ["topics", "create"]
    assert SERVICES["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    for name in ("meter", "worker", "serve"):
        assert SERVICES[name]["command"] == [name]
        assert SERVICES[name]["depends_on"] == {"topics": {"condition": "service_completed_successfully"}}


def test_the_ports_are_those_of_the_defaults() -> None:
    default = Config()
    for section in ("ingest", "serve", "metrics"):
        assert getattr(CONFIGURATION, section).port == getattr(default, section).port
    assert SERVICES["serve"]["ports"] == [
        f"127.0.0.1:{port}:{port}" for port in (default.ingest.port, default.serve.port)
    ]
    exposed = re.search(r"^EXPOSE (.+)$", DOCKERFILE, re.MULTILINE)
    assert exposed is not None
    assert [int(port) for port in exposed[1].split()] == [
        default.ingest.port, default.serve.port, default.metrics.port,
    ]  # fmt: skip
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    [ours] = [job for job in prometheus["scrape_configs"] if job["job_name"] == "burnline"]
    assert ours["dns_sd_configs"][0]["port"] == default.metrics.port
    assert set(ours["dns_sd_configs"][0]["names"]) == set(OURS) - {"topics"}


def test_our_configuration_names_services_that_exist() -> None:
    host, port = CONFIGURATION.kafka.bootstrap.split(":")
    assert f"INTERNAL://{host}:{port}" in SERVICES[host]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    [destination] = CONFIGURATION.notify.destinations
    assert isinstance(destination, Alertmanager)
    assert destination.url == "http://alertmanager:9093"
    assert set(CONFIGURATION.notify.allowed_hosts) <= set(SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_our_environment_is_understood_and_without_a_token_compose_says_what_to_do(name: str) -> None:
    environment = OURS[name]["environment"]
    mounted = OURS[name]["volumes"][0].split(":")
    assert mounted == ["./deploy/burnline.yaml", environment["BURNLINE_CONFIG"], "ro"]
    written = re.compile(r"\$\{BURNLINE_TOKEN:\?put BURNLINE_TOKEN=.* into the file \.env\}")
    filled = {key: written.sub("12345678", value) for key, value in environment.items()}
    config = load(ROOT / "deploy" / "burnline.yaml", filled)
    for section in (config.ingest, config.serve):
        assert section.token is not None
        assert section.token.get_secret_value() == "12345678"


def test_our_containers_have_no_privileges() -> None:
    for service in OURS.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_container_has_time_for_its_last_commit() -> None:
    limit_s = CONFIGURATION.kafka.transaction_timeout_s
    assert all(int(service["stop_grace_period"].removesuffix("s")) > limit_s for service in OURS.values())


def test_the_image_gets_every_file_of_the_package(tmp_path: Path) -> None:
    context, wheels = tmp_path / "build", tmp_path / "wheels"
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    context.mkdir()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            assert source in allowed, f".dockerignore keeps {source} out"
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, context / target, ignore=shutil.ignore_patterns("*.so", "*.c"))
            else:
                shutil.copy(ROOT / source, context / target)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*pip, "--wheel-dir", str(wheels), str(context)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [wheel] = wheels.glob("burnline-*.whl")
    tracked = subprocess.run(
        ["git", "ls-files", "stream", "detectors"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = zipfile.ZipFile(wheel).namelist()
    assert set(tracked.stdout.split()) <= set(names)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    compiled = [each["name"].replace(".", "/") for each in project["tool"]["setuptools"]["ext-modules"]]
    assert len(compiled) == 3
    for module in compiled:
        assert any(re.fullmatch(rf"{module}\.cpython-.+\.so", name) for name in names), names
