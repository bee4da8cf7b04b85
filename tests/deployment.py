"""`sam build` and `sam deploy`, as the README has them, and the stack that comes of it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass

from emulator import Emulator
from project import ROOT


def build() -> None:
    """The functions, as they are deployed. Cargo keeps what it built, in its usual target folder."""
    _sam("build", environment={})


@dataclass
class Stack:
    """A deployed stack, and how to reach what it made."""

    emulator: Emulator
    lake_bucket: str
    outputs: dict[str, str]

    def invoke(self, output: str, event: dict) -> dict:
        """What the function named by `output` returns for `event`; an error of the function is an error here."""
        response = self.emulator.client("lambda").invoke(
            FunctionName=self.outputs[output], Payload=json.dumps(event).encode()
        )
        payload = json.loads(response["Payload"].read())
        assert "FunctionError" not in response, payload
        return payload

    @property
    def quarantine_bucket(self) -> str:
        return self.outputs["QuarantineLocation"].removeprefix("s3://")


def deploy(emulator: Emulator, name: str, **parameters: str) -> Stack:
    overrides = [f'{key}="{value}"' for key, value in parameters.items()]
    _sam(
        "deploy",
        "--stack-name", name,
        "--no-confirm-changeset",
        "--parameter-overrides", *overrides,
        environment=emulator.environment,
    )  # fmt: skip
    [stack] = emulator.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    _make_concurrency_a_number(emulator)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return Stack(emulator, parameters["LakeBucket"], outputs)


def _make_concurrency_a_number(emulator: Emulator) -> None:
    """MiniStack keeps `ScalingConfig` as the text that the parameter was, and its poller cannot compare that."""
    functions = emulator.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if "ScalingConfig" in mapping:
            limit = int(mapping["ScalingConfig"]["MaximumConcurrency"])
            functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": limit})


def _sam(*arguments: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["sam", *arguments],
        cwd=ROOT,
        env=os.environ | environment | {"SAM_CLI_TELEMETRY": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"sam {' '.join(arguments)}:\n{done.stdout}"
