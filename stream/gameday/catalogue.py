"""An estate of any size, drawn from a seed: services of many sizes and seasons, and what runs beside them.

Its mix is that of the demo's shop: half of the services follow customers, the others office hours, nightly
batches or nothing. Sizes are log-normal, so that a few are much larger than the rest.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from stream.demo.catalogue import GROWING, NIGHTLY, OFFICE, SHOPPERS, STEADY, Resource, Service

TEAMS: Final = ("storefront", "payments", "platform", "data", "growth", "search", "mobile", "risk")
SEASONS: Final = (SHOPPERS, OFFICE, NIGHTLY, STEADY)
SHARES: Final = (0.5, 0.2, 0.1, 0.2)
SIZES: Final = ("m5.large", "m5.xlarge", "c5.xlarge", "c5.2xlarge")
# Pods of the middle service, and the deviation of the logarithm: one in forty is over four times as large.
PODS: Final = 10
PODS_SIGMA: Final = 0.7


def services(seed: int, count: int) -> tuple[Service, ...]:
    """`count` services of eight teams, one namespace a team; the same for the same seed."""
    chance = np.random.default_rng([seed, 1])
    found = []
    for number in range(count):
        team = TEAMS[number % len(TEAMS)]
        season = SEASONS[int(chance.choice(len(SEASONS), p=SHARES))]
        pods = max(2.0, float(np.round(PODS * np.exp(PODS_SIGMA * chance.standard_normal()))))
        faces_people = season is SHOPPERS
        found.append(
            Service(
                namespace=team,
                name=f"{team}-{number:03d}",
                team=team,
                season=season,
                us_pods=pods,
                eu_pods=float(np.round(pods * chance.uniform(0.4, 0.9))) if chance.random() < 0.5 else 0.0,
                us_sku=SIZES[int(chance.integers(len(SIZES)))],
                log_gb=float(chance.uniform(0.3, 2.0)),
                zone_gb=float(chance.uniform(5, 40)) if chance.random() < 0.6 else 0.0,
                internet_gb=float(chance.uniform(5, 60)) if faces_people and chance.random() < 0.6 else 0.0,
                tagged=True,
            )
        )
    return tuple(found)


def resources(seed: int, owners: tuple[Service, ...]) -> tuple[Resource, ...]:
    """Functions of every fourth service, storage of three in ten, builds of every fifth, language models of
    every tenth; the seed draws which."""
    chance = np.random.default_rng([seed, 2])
    found: list[Resource] = []

    def some(share: float) -> Iterator[tuple[Service, dict[str, str]]]:
        for number in sorted(chance.permutation(len(owners))[: round(share * len(owners))].tolist()):
            service = owners[number]
            yield (
                service,
                {"namespace": service.namespace, "service": service.name, "team": service.team},
            )

    for service, owner in some(0.25):
        calls = float(np.round(400_000 * np.exp(0.8 * chance.standard_normal())))
        labels = owner | {"function": f"{service.name}-worker", "cloud_service": "AWSLambda"}
        for driver, per_hour in (("invocations", calls), ("gb_seconds", calls * 0.2)):
            found.append(Resource("cloudwatch/us-east-1", driver, "", per_hour, service.season, labels))
    for service, owner in some(0.3):
        labels = owner | {"volume": f"{service.name}-data", "cloud_service": "AmazonEC2"}
        gigabytes = float(np.round(chance.uniform(500, 8_000)))
        found.append(Resource("inventory/shop-prod", "storage_gb_hours", "gp3", gigabytes, GROWING, labels))
    for service, owner in some(0.2):
        repository = f"{service.namespace}/{service.name}"
        labels = owner | {"repository": repository, "cloud_service": "Actions"}
        minutes = float(np.round(chance.uniform(40, 250)))
        found.append(Resource("ci/github", "ci_minutes", "linux_4_core", minutes, OFFICE, labels))
    for service, owner in some(0.1):
        labels = owner | {"model": "nova-lite", "cloud_service": "AmazonBedrock"}
        tokens = float(np.round(chance.uniform(3e6, 2e7)))
        for driver, per_hour in (("llm_input_tokens", tokens), ("llm_output_tokens", tokens / 8)):
            found.append(Resource("llm-gateway", driver, "nova-lite", per_hour, service.season, labels))
    return tuple(found)
