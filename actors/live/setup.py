"""Builds the `setup` message from google-genai's LiveConnectConfig; the only module that imports google-genai.

The import takes most of a second, so it happens when the first setup is built, beside the dialling.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from actors.live.models import check, profile
from pipeline.errors import PlanError

# Where the fields of LiveConnectConfig go on the wire (live-protocol 2.1); all others stand directly in `setup`.
GENERATION = (
    "responseModalities",
    "temperature",
    "topP",
    "topK",
    "maxOutputTokens",
    "mediaResolution",
    "seed",
    "speechConfig",
    "thinkingConfig",
    "enableAffectiveDialog",
    "translationConfig",
)
NOT_ON_THE_WIRE = ("http_options", "httpOptions")


@attrs.frozen
class Built:
    """A setup ready to be sent, and what `http_options` asked for besides.

    `left_out` names the tools that the model cannot call in the way they want to be called.
    """

    setup: Mapping[str, Any]
    takes_history: bool
    base_url: str | None = None
    api_version: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    left_out: Sequence[str] = ()


def build(
    live: Mapping[str, Any], tools: Sequence[Mapping[str, Any]], *, local_turns: bool, where: str = "[live]"
) -> Built:
    """Builds and checks the setup.

    `live` is the plan's table: `model`, and any field of LiveConnectConfig in either spelling. `tools` are added to
    the table's own, but for those that the model cannot call. PlanError names a misspelt field, a value of the wrong
    kind, or a rule of the model.
    """
    from google.genai import types  # noqa: PLC0415 - see the module
    from pydantic import ValidationError  # noqa: PLC0415 - comes with it

    table = {key: value for key, value in live.items() if key != "model"}
    model = live.get("model")
    if not isinstance(model, str) or not model:
        raise PlanError(f'{where} model is {model!r}; name one, as in model = "gemini-3.8-live"')
    try:
        config = types.LiveConnectConfig.model_validate(table)
    except ValidationError as error:
        raise PlanError(_advice(error, where, types.LiveConnectConfig.model_fields)) from None
    options = config.http_options
    fields = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    generation = fields.pop("generationConfig", {})
    generation |= {key: fields.pop(key) for key in GENERATION if key in fields}
    for key in NOT_ON_THE_WIRE:
        fields.pop(key, None)
    if "systemInstruction" in fields:
        fields["systemInstruction"] = _content(fields["systemInstruction"])
    prefix = "" if "/" in model else "models/"
    setup: dict[str, Any] = {"model": prefix + model, "generationConfig": generation, **fields}
    if local_turns:
        asked = setup.get("realtimeInputConfig", {})
        setup["realtimeInputConfig"] = {**asked, "automaticActivityDetection": {"disabled": True}}
    elif setup.get("realtimeInputConfig", {}).get("automaticActivityDetection", {}).get("disabled"):
        raise PlanError(
            f"{where} switches the service's detector off, and then nobody says where a turn ends; "
            'set turns = "local" in [room] instead'
        )
    possible, left_out = _possible(tools, model)
    declared = [*fields.get("tools", []), *possible]
    if declared:
        setup["tools"] = [_fitting(tool, model) for tool in declared]
    check(setup)
    return Built(
        setup,
        profile(model).history,
        options.base_url if options else None,
        options.api_version if options else None,
        dict(options.headers or {}) if options else {},
        left_out,
    )


def _content(instruction: Any) -> Mapping[str, Any]:  # noqa: ANN401 - text, a part, a list of them, or a content
    """Gives a system instruction in the one shape that the wire takes."""
    if isinstance(instruction, Mapping) and ("parts" in instruction or "role" in instruction):
        return {"role": "user", **instruction}
    parts = instruction if isinstance(instruction, list) else [instruction]
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def _possible(tools: Sequence[Mapping[str, Any]], model: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Gives the tools without the functions that want to be called as the model never calls, and their names."""
    possible: list[Mapping[str, Any]] = []
    left_out: list[str] = []
    allowed = (None, *profile(model).behaviors)
    for tool in tools:
        functions = tool.get("functionDeclarations", ())
        left_out += [function["name"] for function in functions if function.get("behavior") not in allowed]
        kept = [function for function in functions if function["name"] not in left_out]
        if kept or not functions:
            possible.append({**tool, "functionDeclarations": kept} if kept else tool)
    return possible, left_out


def _fitting(tool: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    """Leaves out a behaviour that is the model's only one anyway, and which such a model refuses to hear named."""
    rules = profile(model)
    if "functionDeclarations" not in tool or rules.behaviors != ("BLOCKING",):
        return tool
    functions = [
        {k: v for k, v in f.items() if k != "behavior" or v != "BLOCKING"} for f in tool["functionDeclarations"]
    ]
    return {**tool, "functionDeclarations": functions}


def _advice(error: Any, where: str, known: Mapping[str, object]) -> str:  # noqa: ANN401 - pydantic's own type
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        if len(first["loc"]) == 1:
            return f"{where} has no field {path!r}; LiveConnectConfig has {', '.join(sorted(known))}"
        return f"{where} {path} is unknown to google-genai's LiveConnectConfig; check its spelling"
    return f"{where} {path} is {first.get('input')!r}: {first['msg']}"
