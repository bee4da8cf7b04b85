"""The template as CloudFormation would see it: SAM's transform applied, conditions and functions worked out.

A template that lints can still hold a wildcard behind an `Fn::If`. The tests therefore look at what a choice of
parameters comes to, and not at the text.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

# samtranslator makes an AWS session when it is loaded, and wants a Region for it; nothing is called.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/sluice/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
    "AWS::StackName": "sluice",
    "AWS::URLSuffix": "amazonaws.com",
}


class NoValue:
    """`AWS::NoValue`: the property that holds it is not there."""


class NoManagedPolicies:
    """The template names no managed policy by its short name, so that SAM needs no list of them."""

    @staticmethod
    def load() -> dict[str, str]:
        return {}


def translate(template: Path) -> dict:
    """The CloudFormation template that SAM makes of `template`."""
    source = yaml_parse(template.read_text())
    # What `sam build` and `sam package` put there; the transform refuses a local folder.
    source["Globals"]["Function"]["CodeUri"] = "s3://artifacts/code.zip"
    return json.loads(json.dumps(transform(source, {}, NoManagedPolicies())))


class Resolved:
    """`template` (translated) under `parameters`: resources whose condition holds, every function worked out.

    What exists only once deployed reads `<Resource>` (a `Ref`) or `<Resource.Attribute>`.
    """

    def __init__(self, template: dict, **parameters: str | int):
        self._template = template
        declared = template["Parameters"]
        unknown = parameters.keys() - declared.keys()
        if unknown:
            raise KeyError(f"no such parameter: {sorted(unknown)}")
        self._values = PSEUDO_PARAMETERS | {
            name: str(parameters.get(name, declaration.get("Default", f"<{name}>")))
            for name, declaration in declared.items()
        }
        self.resources = {
            name: self._resource(resource)
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }
        self.outputs = {
            name: self._value(output["Value"])
            for name, output in template["Outputs"].items()
            if "Condition" not in output or self._holds(output["Condition"])
        }

    def of_type(self, kind: str) -> dict[str, dict]:
        """Properties of the resources of one type, by logical id."""
        return {name: r.get("Properties", {}) for name, r in self.resources.items() if r["Type"] == kind}

    def allowed(self) -> list[tuple[str, dict]]:
        """Every `Allow` statement of every policy, with the logical id of the resource that holds it."""
        statements = []
        for name, resource in self.resources.items():
            for policy in _policy_documents(resource.get("Properties", {})):
                statements += [(name, s) for s in policy["Statement"] if s["Effect"] == "Allow"]
        return statements

    def _resource(self, resource: dict) -> dict:
        return resource | {"Properties": self._value(resource.get("Properties", {}))}

    def _holds(self, condition: str) -> bool:
        return self._condition(self._template["Conditions"][condition])

    def _condition(self, expression: dict) -> bool:
        [(function, argument)] = expression.items()
        match function:
            case "Condition":
                return self._holds(argument)
            case "Fn::Not":
                return not self._condition(argument[0])
            case "Fn::And":
                return all(self._condition(part) for part in argument)
            case "Fn::Or":
                return any(self._condition(part) for part in argument)
            case "Fn::Equals":
                left, right = (str(self._value(side)) for side in argument)
                return left == right
        raise NotImplementedError(function)

    def _value(self, value):
        if isinstance(value, list):
            return [item for item in map(self._value, value) if item is not NoValue]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            match function:
                case "Ref" if argument == "AWS::NoValue":
                    return NoValue
                case "Ref":
                    return self._values.get(argument, f"<{argument}>")
                case "Fn::GetAtt":
                    return f"<{'.'.join(argument)}>"
                case "Fn::If":
                    condition, yes, no = argument
                    return self._value(yes if self._holds(condition) else no)
                case "Fn::Select":
                    index, items = argument
                    return self._value(items)[int(index)]
                case "Fn::Split":
                    separator, text = argument
                    return self._value(text).split(separator)
                case "Fn::Join":
                    separator, items = argument
                    return separator.join(self._value(items))
                case "Fn::FindInMap":
                    table, first, second = (self._value(key) for key in argument)
                    return self._template["Mappings"][table][first][second]
                case "Fn::Sub":
                    return self._substitute(argument)
        resolved = {key: self._value(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NoValue}

    def _substitute(self, argument: str | list) -> str:
        text, local = argument if isinstance(argument, list) else (argument, {})
        names = self._values | {name: self._value(value) for name, value in local.items()}
        head, *rest = text.split("${")
        for piece in rest:
            name, after = piece.split("}", 1)
            head += str(names.get(name, f"<{name}>")) + after
        return head


def _policy_documents(value):
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        else:
            for item in value.values():
                yield from _policy_documents(item)
    elif isinstance(value, list):
        for item in value:
            yield from _policy_documents(item)
