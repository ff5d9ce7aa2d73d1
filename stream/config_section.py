"""What every section of `burnline.yaml` is: strict, frozen, and explained by the string below each key."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
