"""Strict parameters of a notebook: what is wrong is refused in one sentence."""

import ast
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

MOST = 100_000
"""No count of items, steps, tokens or samples is larger: what is asked for must end."""
KINDS = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list such as [0, 1, 2]",
    "too_short": "a list with something in it",
    "string_too_short": "a text that says something",
    "missing": "set in the parameters cell",
    "extra_forbidden": "left out: there is no such parameter",
}


class Params(BaseModel):
    """Base of every notebook's parameters; fields carry their limits (`Field(gt=0)`)."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False
    )

    @classmethod
    def checked(cls, namespace: Mapping[str, Any]) -> Self:
        """The parameters among the names of a notebook (`globals()`).

        Raises ValueError, one sentence that names the parameter, its value and what is right;
        also for a name that papermill injected and that is no parameter.
        """
        unknown = injected(namespace) - set(cls.model_fields)
        if unknown:
            raise ValueError(unknown_names(unknown, cls.model_fields))
        given = {name: namespace[name] for name in cls.model_fields if name in namespace}
        try:
            found = cls(**given)
        except ValidationError as error:
            raise ValueError(sentence(error)) from None
        agree(given)
        for name, value in given.items():
            if too_many := [n for n in [value, *listed(value)] if type(n) is int and n > MOST]:
                raise ValueError(
                    f"Parameter '{name}' is {too_many[0]}: it must be at most {MOST}, as more "
                    "would not end."
                )
        return found


def listed(value: Any) -> list[Any]:
    """The members of a list; none of anything else."""
    return value if isinstance(value, list) else []


def agree(given: Mapping[str, Any]) -> None:
    """Raise ValueError when `model`, `tier`, `bases` and `seeds`, those that there are, contradict
    each other or say a thing twice.
    """
    from helpers.lm import models

    model, tier, bases = given.get("model"), given.get("tier"), given.get("bases")
    home = models.tier_of(model) if model else "custom"
    if tier and tier not in {*models.tiers(), "custom"}:
        raise ValueError(f"Unknown tier '{tier}'; known are: {', '.join(models.tiers())}.")
    if tier and home not in ("custom", tier):
        raise ValueError(f"Model '{model}' belongs to tier '{home}', not '{tier}': change one.")
    for name in ("bases", "seeds"):
        if len(set(given.get(name) or [])) < len(given.get(name) or []):
            raise ValueError(f"Parameter '{name}' is {given[name]}: each must stand there once.")
    there = [*models.shipped(), *models.shipped(chains=False)]
    if bases and model == "pocket" and not {*bases} <= {*there}:
        raise ValueError(f"Parameter 'bases' is {bases}: pockets are shipped for {there} only.")
    if bases and model and model != "pocket" and bases != [0]:
        raise ValueError(f"Parameter 'bases' is {bases}: '{model}' is one base, so give [0].")


def injected(namespace: Mapping[str, Any]) -> set[str]:
    """Names that papermill's injected cell assigned, read from the kernel's input history."""
    cells = [cell for cell in namespace.get("In", []) if cell.startswith("# Parameters\n")]
    return {
        target.id
        for cell in cells
        for node in ast.parse(cell).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def unknown_names(unknown: Any, known: Any) -> str:
    """The sentence that refuses unknown parameter names and lists the known ones."""
    names = ", ".join(f"'{name}'" for name in sorted(unknown))
    return f"Unknown parameter {names}; known are: {', '.join(known) or 'none'}."


def sentence(error: ValidationError) -> str:
    """The first fault of a validation error as one sentence: field, value, what would be right."""
    fault = error.errors()[0]
    if not fault["loc"]:  # a rule about several parameters, in a sentence of its own
        return str(fault["ctx"]["error"])
    name, *place = [str(part) for part in fault["loc"]]
    where = f" at position {place[0]}" if place and place[0].isdigit() else ""
    right = KINDS.get(fault["type"]) or fault["msg"].removeprefix("Input should be ")
    value = "" if fault["type"] == "missing" else f" is {fault['input']!r}"
    return f"Parameter '{name}'{where}{value}: it must be {right}."
