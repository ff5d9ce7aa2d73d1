"""Public holidays by country, from the package `holidays`."""

import datetime as dt
from functools import lru_cache


@lru_cache(maxsize=1024)
def public_holidays(country: str, subdivision: str | None, year: int) -> tuple[dt.date, ...]:
    """Raises ValueError, in one sentence, for a country or a part of it that is not known."""
    import holidays  # noqa: PLC0415 - 50 ms, for those alone who name a country

    try:
        return tuple(holidays.country_holidays(country, subdiv=subdivision, years=year))
    except (NotImplementedError, ValueError):
        place = country if subdivision is None else f"{country} {subdivision}"
        raise ValueError(
            f"no holidays are known of {place!r}: write an ISO 3166 code such as DE, and such "
            "as BY of a part of it, or name the dates"
        ) from None
