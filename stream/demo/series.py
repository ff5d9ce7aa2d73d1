"""The catalogue as series: one for every line that a collector reports again and again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from stream.demo.catalogue import EU, RESOURCES, SERVICES, STEADY, US, Resource, Season, Service

GB: Final = 10**9
# Of what crosses zones, this part also goes out through the NAT gateway.
NAT_SHARE: Final = 0.15


@dataclass(frozen=True, slots=True)
class Source:
    """A collector. `delay_ms` is how long after the end of a sample its message arrives.

    A `priced` one knows its prices and sends `cost_usd`, as OpenCost does.
    """

    key: str
    labels: dict[str, str]
    delay_ms: int
    priced: bool = False


_AWS_US: Final = {"provider": "aws", "account": "shop-prod", "region": US}
_AWS_EU: Final = {"provider": "aws", "account": "shop-prod", "region": EU}
PODS_US: Final = "prometheus/us-1"
PODS_EU: Final = "opencost/eu-1"
SOURCES: Final = (
    Source(PODS_US, {**_AWS_US, "cluster": "us-1"}, 600),
    Source(PODS_EU, {**_AWS_EU, "cluster": "eu-1"}, 1_200, priced=True),
    Source("cloudwatch/us-east-1", _AWS_US, 1_800),
    Source("cloudwatch/eu-west-2", _AWS_EU, 2_400),
    Source("inventory/shop-prod", _AWS_US, 3_000),
    Source("llm-gateway", _AWS_US, 3_600),
    Source("ci/github", {"provider": "github", "account": "shop"}, 4_200),
)


@dataclass(frozen=True, slots=True)
class Series:
    """`per_hour` units of a driver on average. Pods come whole. `group` numbers what moves together."""

    source: str
    driver: str
    sku: str
    labels: dict[str, str]
    per_hour: float
    season: Season
    group: int

    @property
    def pods(self) -> bool:
        return self.driver == "pod_hours"


def all_series(
    services: Sequence[Service] = SERVICES, resources: Sequence[Resource] = RESOURCES
) -> list[Series]:
    """The lines of an estate; those of the services come first, in order."""
    found = [series for group, service in enumerate(services) for series in _of_service(group, service)]
    groups = {(service.namespace, service.name): group for group, service in enumerate(services)}
    for resource in resources:
        name = (resource.labels.get("namespace", ""), resource.labels.get("service", ""))
        group = groups.setdefault(name, len(groups))
        what = resource.source, resource.driver, resource.sku, resource.labels
        found.append(Series(*what, resource.per_hour, resource.season, group))
    return found


def _of_service(group: int, service: Service) -> Iterator[Series]:
    owner = {"namespace": service.namespace, "service": service.name}
    if service.tagged and service.team:
        owner["team"] = service.team

    def series(source: str, driver: str, sku: str, cloud_service: str, per_hour: float) -> Series:
        season = STEADY if driver == "load_balancer_hours" else service.season
        return Series(source, driver, sku, {**owner, "cloud_service": cloud_service}, per_hour, season, group)

    for source, region, sku, pods in (
        (PODS_US, US, service.us_sku, service.us_pods),
        (PODS_EU, EU, service.eu_sku, service.eu_pods),
    ):
        if not pods:
            continue
        bytes_a_gb = GB * pods / (service.us_pods + service.eu_pods)
        zone, internet = service.zone_gb * bytes_a_gb, service.internet_gb * bytes_a_gb
        watch = f"cloudwatch/{region}"
        yield series(source, "pod_hours", sku, "AmazonEC2", pods)
        yield series(watch, "log_bytes", "", "AmazonCloudWatch", service.log_gb * bytes_a_gb)
        if zone:
            yield series(watch, "egress_bytes", "inter-zone", "AWSDataTransfer", zone)
            yield series(watch, "nat_bytes", "", "AmazonVPC", zone * NAT_SHARE)
        if internet:
            yield series(watch, "egress_bytes", "internet", "AWSDataTransfer", internet)
            yield series(watch, "load_balancer_hours", "alb", "AWSELB", 2)
