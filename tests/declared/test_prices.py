"""What an environment costs: the figures are worked out from AWS' published prices, apart from the code."""

import pytest

from declared import prices
from declared.prices import Charge, Declared

SERVER = Declared(
    prices.INSTANCE,
    "server",
    {"instanceClass": "db.m7g.large", "multiAz": True, "allocatedStorage": 100, "manageMasterUserPassword": True},
)


def test_a_server_with_a_standby_is_billed_twice_and_its_secret_once():
    # 0.168 × 730 × 2; 0.115 × 100 × 2.
    assert [(charge.what, round(charge.dollars or 0, 2)) for charge in prices.charges(SERVER)] == [
        ("db.m7g.large, two servers, one as standby", 245.28),
        ("100 GiB of storage on each", 23.0),
        ("the master's secret", 0.4),
    ]


def test_a_class_without_a_price_is_named_and_counts_as_nothing():
    odd = Declared(prices.INSTANCE, "server", {**SERVER.inputs, "instanceClass": "db.x9.large"})
    assert prices.charges(odd)[0] == Charge("server", "db.x9.large, two servers, one as standby", None)
    assert prices.monthly(odd) == pytest.approx(23.4)
    assert [choice.setting for choice in prices.choices(odd)] == ["server:multiAz", "server:storage"]


def test_what_a_setting_changes_is_worked_out_alone():
    found = {(choice.setting, choice.value): round(choice.dollars, 2) for choice in prices.choices(SERVER)}
    assert found == {
        ("server:multiAz", "false"): -134.14,
        ("server:storage", "200"): 23.0,
        ("server:class", "db.m7g.xlarge"): 246.74,
    }


@pytest.mark.parametrize(
    ("type", "inputs", "dollars"),
    [
        (prices.KEY, {}, 1.0),
        (prices.ENDPOINT, {"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]}, 14.6),
        (prices.ENDPOINT, {"vpcEndpointType": "Gateway"}, 0),
        (prices.ALARM, {}, 0.1),
        ("aws:s3/bucket:Bucket", {}, 0),
    ],
)
def test_what_is_billed_as_long_as_it_is_there(type, inputs, dollars):
    assert prices.monthly(Declared(type, "it", inputs)) == pytest.approx(dollars)


def test_the_sizes_of_a_family_are_in_order_and_each_costs_more():
    families = {name.rpartition(".")[0] for name in prices.CLASSES}
    for family in families:
        found = [price for name, price in prices.CLASSES.items() if name.startswith(f"{family}.")]
        assert found == sorted(set(found))
