# SPDX-License-Identifier: Apache-2.0
"""The manifests in packaging/kubernetes: against the schemas that packages carry, and against the image and the alerts they are for."""
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import needs
from support import ROOT, STEPD, run

FOLDER = ROOT / "packaging/kubernetes"
OWN = ["configmap", "secret", "deployment", "service", "poddisruptionbudget", "horizontalpodautoscaler"]  # Kubernetes's own kinds
OTHERS = ["servicemonitor", "keda"]
VERSIONS = ["1.30", "1.37"]
SCHEMAS = tuple(f"v{version}." for version in VERSIONS)
VALIDATOR = "kubernetes-validate==1.37.0"
VALIDATOR_NEEDS = ["jsonschema==4.26.0", "importlib-resources==7.1.0", "packaging", "pyyaml", "typing-extensions"]
MODELS = ["@kubernetes-models/keda@2.0.0", "@kubernetes-models/prometheus-operator@6.0.0"]


def read(name):
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def alerts():
    return yaml.safe_load(run(FOLDER / "alerts"))


def install(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=600, **more)
    if done.returncode != 0:
        needs.skip(f"{words[0]} can't have it: {(done.stderr + done.stdout).strip()[-300:]}")


@pytest.fixture(scope="module")
def validator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validator")
    pip = sys.executable, "-m", "pip", "-q"
    install(*pip, "download", "--no-deps", "-d", folder, VALIDATOR)
    install(*pip, "install", "--no-compile", "--target", folder, *VALIDATOR_NEEDS)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:  # it has those of each version there was, 100 MB of them
        wheel.extractall(folder, [name for name in wheel.namelist() if "-schema/" not in name or name.split("/")[2].startswith(SCHEMAS)])

    def validate(version, *paths):
        return subprocess.run([sys.executable, "-m", "kubernetes_validate", "--strict", "--quiet", "-k", version, *paths], capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(folder)})
    return validate


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    install("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, *MODELS)

    def validate(*objects):
        return subprocess.run(["node", Path(__file__).with_name("kubernetes_models.mjs")], input=json.dumps(objects), capture_output=True,
                              text=True, cwd=folder)
    return validate


def test_what_is_kubernetes_own_is_as_its_schemas_say(validator, tmp_path):
    for version in VERSIONS:
        done = validator(version, *[FOLDER / f"{name}.yaml" for name in OWN])
        assert done.returncode == 0, f"{version}: {done.stdout}{done.stderr}"
    wrong = read("deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    assert "readinesProbe" in "".join(map(str, [(done := validator(VERSIONS[0], tmp_path / "wrong.yaml")).stdout, done.stderr]))


def test_what_operators_bring_is_as_their_schemas_say(models):
    done = models(*map(read, OTHERS), alerts())
    assert done.returncode == 0 and done.stdout.split() == ["ServiceMonitor", "stepd", "ScaledObject", "stepd", "PrometheusRule", "stepd"], done.stderr
    wrong = read("keda")
    wrong["spec"]["triggers"][0]["metadata"]["lagThreshold"] = 1000  # a text, to KEDA
    assert models(wrong).returncode != 0


def test_the_kustomization_has_each_of_kubernetes_own_but_what_scales():
    assert read("kustomization")["resources"] == [f"{name}.yaml" for name in OWN if name != "horizontalpodautoscaler"]


def test_the_alerts_are_those_of_the_config():
    assert alerts()["spec"] == yaml.safe_load((ROOT / "config/alerts.yaml").read_text())


def test_the_config_can_be_read_with_the_secret_as_it_is_mounted(tmp_path):
    for name, text in {**read("configmap")["data"], **read("secret")["stringData"]}.items():
        (tmp_path / name).write_text(text.replace("[/modules]", "[]"))
    done = subprocess.run([STEPD, "--check", "--config", tmp_path / "stepd.yaml"], capture_output=True, text=True,
                          env={**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert done.returncode == 0, done.stderr


def test_the_pods_fit_the_image_and_the_config():
    pod = read("deployment")["spec"]["template"]["spec"]
    config = yaml.safe_load(read("configmap")["data"]["stepd.yaml"])
    image = (ROOT / "packaging/container/Containerfile").read_text()
    (container,) = pod["containers"]
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}\n" in image
    assert pod["terminationGracePeriodSeconds"] > int(config["worker"]["shutdown_timeout"].removesuffix("s")) + 10
    assert f"EXPOSE {container['ports'][0]['containerPort']}\n" in image and config["http"]["listen"].endswith(f":{container['ports'][0]['containerPort']}")
    for each in (container, *pod["initContainers"]):
        locked = each["securityContext"]
        assert locked["readOnlyRootFilesystem"] and not locked["allowPrivilegeEscalation"] and locked["capabilities"] == {"drop": ["ALL"]}
    paths = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/var/lib/stepd", "/modules", "/etc/stepd", "/tmp"} <= paths
