"""What the parts of a recipe are built from: the model they share, short forms, numbers with limits."""

from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from vacestream.recipe.values import Box, BoxValue, Point, PointValue, parse_media

Number = Annotated[float, Strict()]
Count = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Scale = Annotated[float, Strict(), Field(ge=0, le=2)]
Ratio = Annotated[float, Strict(), Field(ge=0, le=1)]


class IsFile:
    """Marks text that names media, so that its path can be read from where it stands."""


Media = Annotated[str, BeforeValidator(parse_media), IsFile()]


class OneOrMore:
    """A list in which one item may stand alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.listed, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}

    def listed(self, value: Any) -> Any:
        return list(value) if isinstance(value, list | tuple) else [value]


class OneOrMoreArrays(OneOrMore):
    """A list of lists in which one inner list may stand alone: boxes, points."""

    def listed(self, value: Any) -> Any:
        inner = (list, tuple, Box, Point)
        alone = isinstance(value, list | tuple) and value and not isinstance(value[0], inner)
        return [value] if alone or not isinstance(value, list | tuple) else list(value)


Boxes = Annotated[tuple[BoxValue, ...], Field(min_length=1), OneOrMoreArrays()]
Points = Annotated[tuple[PointValue, ...], Field(min_length=1), OneOrMoreArrays()]


class Model(BaseModel):
    """What all parts share: unknown keys are refused, nothing changes, a main key may stand alone."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        serialize_by_alias=True,
    )
    main_key: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _main_key_alone(cls, value: Any) -> Any:
        return {cls.main_key: value} if cls.main_key and isinstance(value, str | int | float) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        reference = handler(schema)
        if cls.main_key:
            whole = handler.resolve_ref_schema(reference)
            mapping = {
                key: whole.pop(key) for key in list(whole) if key not in ("title", "description", "$defs")
            }
            whole["anyOf"] = [mapping["properties"][cls.main_key], mapping]
        return reference
