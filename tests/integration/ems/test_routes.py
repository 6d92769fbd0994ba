"""Routes: planned with their stops, measured and ordered by the silo, driven, put away.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.center.events.v1.feature_toggles_pb2 import FeatureToggleChanged
from medport.ems.v1 import routes_pb2 as pb

from tests.support.ems_silo import ALTOONA, PITTSBURGH, Agency, EmsSilo, ems_silo
from tests.support.hospital_news import Trip
from tests.support.hospital_silo import refused
from tests.support.row_races import holding
from tests.support.waiting import until_blocked

Code = grpc.StatusCode
BASE, PICKUP, DROPOFF = (
    pb.ROUTE_STOP_KIND_BASE,
    pb.ROUTE_STOP_KIND_PICKUP,
    pb.ROUTE_STOP_KIND_DROPOFF,
)


@pytest.fixture
async def swift(silo: EmsSilo) -> Agency:
    await silo.hear(a_toggle(is_enabled=True, rollout_percent=100))
    return await silo.agency(radius_miles=0)


def a_toggle(version: int = 1, **values: Any) -> FeatureToggleChanged:
    return FeatureToggleChanged(feature_name="route_optimization", version=version, **values)


def stop(kind: pb.RouteStopKind.ValueType, place: Any = None, **changes: Any) -> pb.EmsRouteStop:
    return pb.EmsRouteStop(kind=kind, location=place, **changes)


def level(miles_east: float) -> dict[str, float]:
    """Return a place on Altoona's parallel; a degree there is about 52.5 miles."""
    return {"latitude": 40.514, "longitude": -78.401 + miles_east / 52.5}


async def plan(agency: Agency, *stops: pb.EmsRouteStop, **changes: Any) -> pb.EmsRoute:
    values: dict[str, Any] = {"route_name": "Loop", "route_type": pb.ROUTE_TYPE_STANDARD}
    route = pb.EmsRoute(waypoints=stops, **(values | changes))
    request = pb.CreateRouteRequest(route=route, **agency.own)
    return (await agency.silo.routes.CreateRoute(request, metadata=agency.dispatcher)).route


def change(agency: Agency, known: pb.EmsRoute, *paths: str, **values: Any) -> Any:
    request = pb.UpdateRouteRequest(
        route_id=known.id,
        route=pb.EmsRoute(**values),
        update_mask=FieldMask(paths=paths),
        etag=known.etag,
        **agency.own,
    )
    return agency.silo.routes.UpdateRoute(request, metadata=agency.dispatcher)


async def verb(agency: Agency, name: str, known: pb.EmsRoute) -> pb.EmsRoute:
    request = getattr(pb, f"{name}RouteRequest")(route_id=known.id, etag=known.etag, **agency.own)
    call = getattr(agency.silo.routes, f"{name}Route")
    found: pb.EmsRoute = (await call(request, metadata=agency.dispatcher)).route
    return found


async def test_distance_and_time_follow_from_the_stops(silo: EmsSilo, swift: Agency) -> None:
    trip = Trip()
    await silo.hear(*trip.facilities())
    origin, destination = trip.origin, trip.destination

    route = await plan(
        swift,
        stop(BASE),
        stop(PICKUP, facility_id=origin, transport_request_id=trip.id),
        stop(DROPOFF, facility_id=destination, transport_request_id=trip.id),
        distance_miles=1,
        estimated_minutes=1,
    )

    loaded = 82.1327 * 1.2
    places = [each.location for each in route.waypoints]
    assert places[1].longitude == pytest.approx(ALTOONA["longitude"])
    assert places[2].longitude == pytest.approx(PITTSBURGH["longitude"])
    assert route.distance_miles >= loaded - 0.001
    assert route.distance_meters == round(route.distance_miles * 1609.344)
    assert route.estimated_minutes >= 132
    assert route.status == pb.ROUTE_STATUS_DRAFT
    request = pb.GetRouteRequest(agency_id=str(swift.id), route_id=route.id)
    got = (await silo.routes.GetRoute(request, metadata=swift.dispatcher)).route
    assert got == route

    shorter = (
        await change(swift, route, "waypoints", waypoints=[stop(BASE), stop(PICKUP, level(10))])
    ).route
    assert shorter.distance_miles == pytest.approx(12, abs=0.1)
    assert len(shorter.waypoints) == 2
    fixed = await refused(change(swift, shorter, "distance_miles", distance_miles=1))
    assert (fixed.code, fixed.fields) == (Code.INVALID_ARGUMENT, ["update_mask.paths[0]"])


async def test_stops_are_ordered_with_pickups_before_their_drop_offs(swift: Agency) -> None:
    first, second = str(uuid4()), str(uuid4())
    base, *stops = [
        stop(BASE, level(0)),
        stop(PICKUP, level(30), transport_request_id=first),
        stop(PICKUP, level(20), transport_request_id=second),
        stop(DROPOFF, level(10), transport_request_id=first),
        stop(DROPOFF, level(40), transport_request_id=second),
    ]
    known = await plan(swift, base, *stops)

    route = await verb(swift, "Optimize", known)
    stale = await refused(verb(swift, "Optimize", known))

    found = list(route.waypoints)
    assert found[0] == base
    assert found.index(stops[0]) < found.index(stops[2])
    assert found.index(stops[1]) < found.index(stops[3])
    assert known.distance_miles == pytest.approx(80 * 1.2, rel=0.01)
    assert route.distance_miles == pytest.approx(70 * 1.2, rel=0.01)  # 40 without the rule
    assert route.route_type == pb.ROUTE_TYPE_OPTIMIZED
    assert (stale.code, stale.reason) == (Code.ABORTED, "ETAG_MISMATCH")


async def test_an_order_found_for_other_stops_is_not_written(swift: Agency) -> None:
    known = await plan(swift, stop(BASE), stop(PICKUP, level(30)), stop(PICKUP, level(20)))
    async with holding(swift.silo, "SELECT FROM ems_route WHERE id = %s FOR UPDATE", known.id):
        fewer = [stop(BASE), stop(PICKUP, level(10))]
        changing = asyncio.ensure_future(change(swift, known, "waypoints", waypoints=fewer))
        await until_blocked(swift.silo.dsn, 1)
        blind = pb.OptimizeRouteRequest(route_id=known.id, **swift.own)  # it names no etag
        ordering = asyncio.ensure_future(
            refused(swift.silo.routes.OptimizeRoute(blind, metadata=swift.dispatcher))
        )
        await until_blocked(swift.silo.dsn, 2)

    changed, late = (await changing).route, await ordering

    assert (late.code, late.reason) == (Code.ABORTED, "ETAG_MISMATCH")
    request = pb.GetRouteRequest(agency_id=str(swift.id), route_id=known.id)
    kept = (await swift.silo.routes.GetRoute(request, metadata=swift.dispatcher)).route
    assert kept == changed
    assert len(kept.waypoints) == len(fewer)


async def test_a_route_is_driven_and_put_away_but_never_changed_after(swift: Agency) -> None:
    draft = await plan(swift, stop(BASE), stop(BASE, level(1)))
    early = await refused(verb(swift, "Complete", draft))

    active = await verb(swift, "Activate", draft)
    under_way = await refused(verb(swift, "Archive", active))
    done = await verb(swift, "Complete", active)
    for call in (
        change(swift, done, "route_name", route_name="Other"),
        verb(swift, "Optimize", done),
    ):
        late = await refused(call)
        assert (late.code, late.reason) == (Code.FAILED_PRECONDITION, "ROUTE_STATE")
    put_away = await verb(swift, "Archive", done)

    assert (early.reason, early.facts["state"]) == ("ROUTE_STATE", "DRAFT")
    assert under_way.facts["state"] == "ACTIVE"
    assert put_away.status == pb.ROUTE_STATUS_ARCHIVED
    assert put_away.waypoints == draft.waypoints


async def test_bad_stops_are_named(swift: Agency) -> None:
    trip, nobody = str(uuid4()), str(uuid4())
    cases: list[tuple[list[pb.EmsRouteStop], str]] = [
        ([stop(BASE)], "route.waypoints"),
        ([stop(BASE)] * 26, "route.waypoints"),
        ([stop(BASE), stop(PICKUP)], "route.waypoints[1]"),
        ([stop(BASE), stop(PICKUP, facility_id=nobody)], "route.waypoints[1].facility_id"),
        ([stop(BASE), stop(PICKUP, {"latitude": 91.0})], "route.waypoints[1].location"),
        (
            [
                stop(DROPOFF, level(1), transport_request_id=trip),
                stop(PICKUP, level(2), transport_request_id=trip),
            ],
            "route.waypoints[0].transport_request_id",
        ),
    ]
    for stops, field in cases:
        answer = await refused(plan(swift, *stops))
        assert (answer.code, answer.fields) == (Code.INVALID_ARGUMENT, [field])


async def test_another_agencys_route_does_not_exist(silo: EmsSilo, swift: Agency) -> None:
    rival = await silo.agency("Rival", radius_miles=0)
    routes = [await plan(swift, stop(BASE), stop(BASE, level(each))) for each in (1, 2, 3)]
    await verb(swift, "Archive", routes[1])

    async def listed(agency: Agency, **wanted: Any) -> list[str]:
        request = pb.ListRoutesRequest(
            agency_id=str(agency.id), filter=pb.RouteFilter(**wanted), page_size=2
        )
        found = list[str]()
        while True:
            page = await silo.routes.ListRoutes(request, metadata=agency.dispatcher)
            found += [each.id for each in page.routes]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    assert await listed(swift) == [each.id for each in routes[::-1]]
    assert await listed(swift, statuses=[pb.ROUTE_STATUS_ARCHIVED]) == [routes[1].id]
    assert await listed(swift, route_types=[pb.ROUTE_TYPE_CUSTOM]) == []
    assert await listed(rival) == []
    request = pb.GetRouteRequest(agency_id=str(rival.id), route_id=routes[0].id)
    answer = await refused(silo.routes.GetRoute(request, metadata=rival.dispatcher))
    assert answer.code == Code.NOT_FOUND
    theirs = Agency(silo, rival.id, rival.dispatcher, rival.admin)
    assert (await refused(verb(theirs, "Activate", routes[0]))).code == Code.NOT_FOUND


async def test_routes_are_optimised_where_the_feature_is_on(silo: EmsSilo, swift: Agency) -> None:
    route = await plan(swift, stop(BASE, ALTOONA), stop(PICKUP, PITTSBURGH))
    ours = {"target_organizations": [str(swift.id)], "rollout_percent": 0}
    await silo.hear(a_toggle(3, is_enabled=True, rollout_percent=0))
    off = await refused(verb(swift, "Optimize", route))
    assert (off.code, off.reason) == (Code.FAILED_PRECONDITION, "FEATURE_DISABLED")
    assert off.facts["feature_name"] == "route_optimization"
    await silo.hear(a_toggle(2, is_enabled=True, rollout_percent=100))  # older: changes nothing
    assert (await refused(verb(swift, "Optimize", route))).reason == "FEATURE_DISABLED"
    await silo.hear(a_toggle(4, is_enabled=True, **ours))
    route = await verb(swift, "Optimize", route)
    await silo.hear(a_toggle(5, is_enabled=False, **ours))
    assert (await refused(verb(swift, "Optimize", route))).reason == "FEATURE_DISABLED"


async def test_a_repeated_order_is_answered_as_before_whatever_became_of_the_route(
    silo: EmsSilo, swift: Agency
) -> None:
    known = await plan(swift, stop(BASE), stop(PICKUP, level(30)), stop(PICKUP, level(20)))
    request = pb.OptimizeRouteRequest(route_id=known.id, etag=known.etag, **swift.own)
    first = await silo.routes.OptimizeRoute(request, metadata=swift.dispatcher)
    active = await verb(swift, "Activate", first.route)
    await verb(swift, "Complete", active)
    await silo.hear(a_toggle(2, is_enabled=False, rollout_percent=100))

    assert await silo.routes.OptimizeRoute(request, metadata=swift.dispatcher) == first


async def test_the_last_good_copy_outlives_a_cold_start_without_center(ems_database: str) -> None:
    """``ems_silo`` runs with Center away, now and after the restart."""
    async with ems_silo(ems_database) as before:
        unheard = await before.agency("Unheard", radius_miles=0)
        route = await plan(unheard, stop(BASE, ALTOONA), stop(PICKUP, PITTSBURGH))
        assert (await refused(verb(unheard, "Optimize", route))).reason == "FEATURE_DISABLED"
        await before.hear(a_toggle(is_enabled=True, rollout_percent=100))
    async with ems_silo(ems_database) as after:
        heard = Agency(after, unheard.id, unheard.dispatcher, unheard.admin)
        optimised = await verb(heard, "Optimize", route)
    assert optimised.route_type == pb.ROUTE_TYPE_OPTIMIZED
