"""The shop of the demo: its services and what each of them uses in an average hour.

Invented, but of the size and mix of a real one: three teams, two clusters, functions, storage, traffic, logs,
builds and language models, at about 230 USD an hour by public list prices.
"""

from dataclasses import dataclass
from typing import Final

US: Final = "us-east-1"
EU: Final = "eu-west-2"


@dataclass(frozen=True, slots=True)
class Season:
    """How use follows the clock (UTC). `amplitude` is the daily swing around 1, `peak_h` its top.

    `weekend` multiplies Saturday and Sunday; `batch` adds a burst of that height at `peak_h`, about 3 h
    long. `growth` is the increase a day, `noise` multiplies what is random.
    """

    peak_h: float = 19.0
    amplitude: float = 0.0
    weekend: float = 1.0
    batch: float = 0.0
    growth: float = 0.0
    noise: float = 1.0


SHOPPERS: Final = Season(peak_h=15.5, amplitude=0.48, weekend=1.12)
OFFICE: Final = Season(peak_h=13.0, amplitude=0.75, weekend=0.35)
NIGHTLY: Final = Season(peak_h=2.0, batch=2.5)
STEADY: Final = Season(peak_h=15.0, amplitude=0.04, noise=0.5)
GROWING: Final = Season(growth=0.001, noise=0.02)


@dataclass(frozen=True, slots=True)
class Service:
    """A deployment on Kubernetes. Traffic and logs are GB an hour over both regions together.

    `internet_gb` leaves the cloud, `zone_gb` crosses zones. Without `tagged` its team is known only to the
    owner rules.
    """

    namespace: str
    name: str
    team: str
    season: Season
    us_pods: float
    eu_pods: float = 0.0
    us_sku: str = "m5.large"
    eu_sku: str = "m5.large"
    log_gb: float = 0.5
    zone_gb: float = 0.0
    internet_gb: float = 0.0
    tagged: bool = True


STOREFRONT: Final = "storefront"
PAYMENTS: Final = "payments"
PLATFORM: Final = "platform"
NOBODY: Final = ""

SERVICES: Final = (
    Service("shop", "web", STOREFRONT, SHOPPERS, 40, 28, log_gb=4.0, zone_gb=60, internet_gb=140),
    Service("shop", "storefront-bff", STOREFRONT, SHOPPERS, 28, 20, log_gb=2.5, zone_gb=50, internet_gb=30),
    Service("shop", "mobile-bff", STOREFRONT, SHOPPERS, 24, 16, log_gb=2.0, zone_gb=40, internet_gb=45),
    Service("shop", "product-page", STOREFRONT, SHOPPERS, 26, 18, log_gb=2.0, zone_gb=40),
    Service("shop", "catalogue", STOREFRONT, SHOPPERS, 16, 10, log_gb=1.0, zone_gb=30),
    Service("shop", "cart", STOREFRONT, SHOPPERS, 18, 12, log_gb=1.5, zone_gb=25),
    Service("shop", "search", STOREFRONT, SHOPPERS, 16, 0, us_sku="c5.2xlarge", log_gb=1.5, zone_gb=30),
    Service("shop", "recommendations", STOREFRONT, SHOPPERS, 6, 0, us_sku="g5.4xlarge", zone_gb=12),
    Service("shop", "images", STOREFRONT, SHOPPERS, 12, 0, us_sku="c5.xlarge", internet_gb=50, tagged=False),
    Service("shop", "reviews", STOREFRONT, SHOPPERS, 6, 4, tagged=False),
    Service("shop", "promotions", STOREFRONT, SHOPPERS, 5, 3),
    Service("shop", "wishlist", STOREFRONT, SHOPPERS, 4, 3),
    Service("shop", "content", STOREFRONT, OFFICE, 4, 2, tagged=False),
    Service("shop", "assistant", STOREFRONT, SHOPPERS, 6, 0, log_gb=1.0, internet_gb=2),
    Service("shop", "search-indexer", STOREFRONT, NIGHTLY, 5, 0, us_sku="c5.2xlarge"),
    Service(
        "shop", "checkout", PAYMENTS, SHOPPERS, 20, us_sku="m5.xlarge", log_gb=2.5, zone_gb=30, internet_gb=6
    ),
    Service("pay", "gateway", PAYMENTS, SHOPPERS, 14, 8, log_gb=1.5, zone_gb=20, internet_gb=8),
    Service("pay", "fraud-scoring", PAYMENTS, SHOPPERS, 10, 0, us_sku="c5.2xlarge", log_gb=1.0, zone_gb=15),
    Service("pay", "ledger", PAYMENTS, SHOPPERS, 8, 6, eu_sku="m5.2xlarge/4", log_gb=1.0, zone_gb=20),
    Service("pay", "wallet", PAYMENTS, SHOPPERS, 6, 4),
    Service("pay", "vault", PAYMENTS, STEADY, 6, 3, tagged=False),
    Service("pay", "tax", PAYMENTS, SHOPPERS, 4, 2, tagged=False),
    Service("pay", "refunds", PAYMENTS, OFFICE, 3, 2),
    Service("pay", "subscriptions", PAYMENTS, STEADY, 5, 0, tagged=False),
    Service("pay", "invoicing", PAYMENTS, NIGHTLY, 4, 0),
    Service("pay", "payouts", PAYMENTS, NIGHTLY, 3, 2),
    Service("platform", "api-gateway", PLATFORM, SHOPPERS, 14, 10, log_gb=3.0, zone_gb=80, internet_gb=10),
    Service("platform", "auth", PLATFORM, SHOPPERS, 10, 6, log_gb=1.0, zone_gb=20),
    Service(
        "platform", "kafka", PLATFORM, STEADY, 9, 6, us_sku="m5.xlarge", eu_sku="m5.2xlarge/4", zone_gb=120
    ),
    Service("platform", "event-router", PLATFORM, SHOPPERS, 8, 4, zone_gb=30),
    Service("platform", "notifications", PLATFORM, SHOPPERS, 6, 3, internet_gb=2),
    Service("platform", "email", PLATFORM, OFFICE, 4, 0, internet_gb=1, tagged=False),
    Service("platform", "scheduler", PLATFORM, STEADY, 3, 2),
    Service("platform", "admin", PLATFORM, OFFICE, 3, 0, tagged=False),
    Service("data", "pipeline", PLATFORM, NIGHTLY, 10, us_sku="m5.xlarge", zone_gb=60, tagged=False),
    Service("data", "warehouse-loader", PLATFORM, NIGHTLY, 6, us_sku="m5.xlarge", zone_gb=40, tagged=False),
    Service("data", "feature-store", PLATFORM, STEADY, 6, 4, zone_gb=25),
    Service("observability", "metrics", PLATFORM, STEADY, 8, 5, us_sku="m5.xlarge", zone_gb=30),
    Service("observability", "logging", PLATFORM, SHOPPERS, 8, 5, zone_gb=40),
    Service("observability", "tracing", PLATFORM, SHOPPERS, 5, 3, zone_gb=15, tagged=False),
    Service("sandbox", "playground", NOBODY, OFFICE, 14, 0, log_gb=0.3, tagged=False),
    Service("default", "legacy-import", NOBODY, NIGHTLY, 8, 0, log_gb=0.3, tagged=False),
)


@dataclass(frozen=True, slots=True)
class Resource:
    """Something beside Kubernetes: `per_hour` units of a driver, seen by the collector `source`."""

    source: str
    driver: str
    sku: str
    per_hour: float
    season: Season
    labels: dict[str, str]


def _functions() -> tuple[Resource, ...]:
    """Name, service, calls an hour, GB-seconds a call. Some have no team: the owner rules find it."""
    rows = (
        ("shop-image-resize", "images", STOREFRONT, SHOPPERS, 1_600_000, 0.30),
        ("shop-price-refresh", "catalogue", NOBODY, STEADY, 900_000, 0.06),
        ("shop-click-collector", "recommendations", STOREFRONT, SHOPPERS, 6_000_000, 0.02),
        ("pay-webhooks", "gateway", PAYMENTS, SHOPPERS, 700_000, 0.12),
        ("pay-receipts", "invoicing", NOBODY, SHOPPERS, 180_000, 0.45),
        ("pay-risk-rules", "fraud-scoring", PAYMENTS, SHOPPERS, 650_000, 0.20),
        ("platform-event-fanout", "event-router", PLATFORM, SHOPPERS, 3_000_000, 0.03),
        ("platform-token-rotation", "auth", NOBODY, STEADY, 40_000, 0.10),
        ("platform-log-archiver", "logging", PLATFORM, STEADY, 250_000, 0.40),
    )
    found = []
    for name, service, team, season, calls, gb_seconds in rows:
        namespace = name.split("-")[0]
        labels = {"namespace": namespace, "service": service, "function": name, "cloud_service": "AWSLambda"}
        labels |= {"team": team} if team else {}
        found.append(Resource("cloudwatch/us-east-1", "invocations", "", calls, season, labels))
        found.append(Resource("cloudwatch/us-east-1", "gb_seconds", "", calls * gb_seconds, season, labels))
    return tuple(found)


def _storage() -> tuple[Resource, ...]:
    """Buckets, disks and databases, in GB: a gigabyte kept for an hour is a GB-hour."""
    rows = (
        ("s3.standard", "AmazonS3", "images", "shop", STOREFRONT, 140_000, "shop-media"),
        ("s3.standard", "AmazonS3", "catalogue", "shop", NOBODY, 12_000, "shop-feeds"),
        ("s3.standard", "AmazonS3", "invoicing", "pay", NOBODY, 18_000, "pay-archive"),
        ("s3.standard", "AmazonS3", "pipeline", "data", PLATFORM, 260_000, "data-lake"),
        ("s3.standard", "AmazonS3", "logging", "observability", PLATFORM, 120_000, "log-archive"),
        ("s3.standard", "AmazonS3", "", "", NOBODY, 40_000, "tmp-exports"),
        ("gp3", "AmazonEC2", "kafka", "platform", PLATFORM, 36_000, "kafka-data"),
        ("gp3", "AmazonEC2", "metrics", "observability", PLATFORM, 14_000, "metrics-data"),
        ("gp3", "AmazonEC2", "search", "shop", STOREFRONT, 9_000, "search-index"),
        ("aurora", "AmazonRDS", "ledger", "pay", PAYMENTS, 12_000, "ledger-db"),
        ("aurora", "AmazonRDS", "checkout", "shop", PAYMENTS, 4_000, "orders-db"),
        ("aurora", "AmazonRDS", "catalogue", "shop", STOREFRONT, 6_000, "catalogue-db"),
    )
    found = []
    for sku, cloud_service, service, namespace, team, gigabytes, volume in rows:
        labels = {"volume": volume, "cloud_service": cloud_service}
        labels |= {"namespace": namespace, "service": service} if service else {}
        labels |= {"team": team} if team else {}
        found.append(Resource("inventory/shop-prod", "storage_gb_hours", sku, gigabytes, GROWING, labels))
    return tuple(found)


def _builds() -> tuple[Resource, ...]:
    """Minutes of hosted runners an hour, by repository; owner rules know the repositories."""
    rows = (
        ("shop/web", "linux_4_core", 220),
        ("shop/mobile", "macos", 60),
        ("shop/services", "linux", 260),
        ("pay/services", "linux", 200),
        ("pay/fraud", "linux_4_core", 60),
        ("platform/infra", "linux", 120),
        ("platform/images", "linux_8_core", 60),
    )
    found = []
    for repository, sku, minutes in rows:
        labels = {"repository": repository, "cloud_service": "Actions"}
        found.append(Resource("ci/github", "ci_minutes", sku, minutes, OFFICE, labels))
    return tuple(found)


def _models() -> tuple[Resource, ...]:
    """Tokens an hour in and out, by service and model."""
    rows = (
        ("assistant", "shop", STOREFRONT, "nova-pro", 9_000_000, 1_400_000),
        ("search", "shop", STOREFRONT, "nova-micro", 24_000_000, 900_000),
        ("reviews", "shop", STOREFRONT, "nova-lite", 12_000_000, 1_500_000),
        ("fraud-scoring", "pay", PAYMENTS, "nova-lite", 8_000_000, 400_000),
    )
    found = []
    for service, namespace, team, model, tokens_in, tokens_out in rows:
        labels = {"namespace": namespace, "service": service, "team": team, "cloud_service": "AmazonBedrock"}
        found.append(Resource("llm-gateway", "llm_input_tokens", model, tokens_in, SHOPPERS, labels))
        found.append(Resource("llm-gateway", "llm_output_tokens", model, tokens_out, SHOPPERS, labels))
    return tuple(found)


RESOURCES: Final = _functions() + _storage() + _builds() + _models()
