"""What an environment costs: the figures are worked out from AWS' published prices, apart from the code."""

import pytest

from declared import prices
from declared.prices import Charge, Declared
from declared.serversettings import ServerSettings

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
    assert [choice.setting for choice in prices.choices([odd])] == ["server:multiAz", "server:storage"]


def test_what_a_setting_changes_is_worked_out_alone():
    found = {(choice.setting, choice.value): round(choice.dollars, 2) for choice in prices.choices([SERVER])}
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
        (prices.COMPOSITE, {}, 0.5),
        (prices.DASHBOARD, {}, 3.0),
        (prices.COUNTED, {}, 0.3),
        (prices.FUNCTION, {"tags": {"Metrics": "40"}}, 12.0),
        (prices.SECRETS, {}, 0.4),
        # 0.276 × 730; 2 × 0.12 × 730.
        (prices.MEMBER, {"instanceClass": "db.r7g.large", "tags": {"Size": "db.r7g.large"}}, 201.48),
        (prices.MEMBER, {"instanceClass": "db.serverless", "tags": {"Size": "2-16"}}, 175.2),
        # 0.015 × 730 for each vCPU, or for 8 ACU at least.
        (prices.PROXY, {"tags": {"Size": "db.m7g.large"}}, 21.9),
        (prices.PROXY, {"tags": {"Size": "db.r7g.2xlarge"}}, 87.6),
        (prices.PROXY, {"tags": {"Size": "db.t4g.micro"}}, 21.9),
        (prices.PROXY, {"tags": {"Size": "0.5-4"}}, 87.6),
        (prices.PROXY, {"tags": {"Size": "16-64"}}, 175.2),
        ("aws:s3/bucket:Bucket", {}, 0),
    ],
)
def test_what_is_billed_as_long_as_it_is_there(type, inputs, dollars):
    assert prices.monthly(Declared(type, "it", inputs)) == pytest.approx(dollars)


def test_the_sizes_of_a_family_are_in_order_and_each_costs_more():
    for classes in (prices.CLASSES, prices.AURORA_CLASSES):
        for family in {name.rpartition(".")[0] for name in classes}:
            found = [price for name, price in classes.items() if name.startswith(f"{family}.")]
            assert found == sorted(set(found))


def test_a_server_that_follows_its_load_says_its_most_and_one_more_is_a_choice():
    server = Declared(prices.MEMBER, "server", {"instanceClass": "db.serverless", "tags": {"Size": "2-16"}})
    assert prices.charges(server)[0].what == "2-16 ACU at the least; at the most 1401.60"
    reader = Declared(prices.MEMBER, "reader", {**server.inputs, "promotionTier": 1})
    one = [("server:readers", "1", pytest.approx(175.2))]
    assert [(each.setting, each.value, each.dollars) for each in prices.choices([server])] == one
    # With server:multiAz the first reader is there, whether server:readers is 0 or 1.
    two = [("server:readers", "2", pytest.approx(175.2))]
    assert [(each.setting, each.value, each.dollars) for each in prices.choices([server, reader])] == two
    assert prices.choices([server, *[reader] * 15]) == []


def test_the_readers_that_cost_more_are_those_that_the_settings_make():
    for given in ({"readers": "0"}, {"readers": "1"}, {"readers": "3"}, {"readers": "0", "multiAz": "false"}):
        now = ServerSettings.load({"engine": "aurora", **given}).servers
        (choice,) = prices.choices([Declared(prices.MEMBER, "server", {})] * now)
        assert ServerSettings.load({"engine": "aurora", **given, "readers": choice.value}).servers == now + 1


def test_a_class_of_aurora_or_of_a_proxy_without_a_price_is_named():
    odd = Declared(prices.MEMBER, "server", {"instanceClass": "db.x2g.large"})
    assert prices.charges(odd) == [Charge("server", "db.x2g.large, one server", None)]
    assert prices.charges(Declared(prices.PROXY, "proxy", {})) == [Charge("proxy", "proxy for one ", None)]
