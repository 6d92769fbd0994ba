"""Page tokens: they open for their own caller, method and filter, and for nobody else."""

from __future__ import annotations

import base64
from uuid import uuid4

import pytest
from medport.hospital.v1.facilities_pb2 import ListFacilitiesRequest

from chassis import call
from chassis.auth import Principal
from chassis.errors import InvalidPageToken
from chassis.paging import Paging

PAGING = Paging(b"a secret of at least thirty-two bytes")


def _enter(method: str = "/x/List") -> None:
    principal = Principal(user_id=uuid4(), silo="hospital", roles=frozenset({"HOSPITAL_STAFF"}))
    call.enter(call.Call(method=method, principal=principal))


def _token(request: ListFacilitiesRequest) -> str:
    rows = [("a", 1), ("b", 2), ("c", 3)]
    shown, token = PAGING.page(request).cut(rows, key=lambda row: row)
    assert shown == rows[:2]
    return token


def test_a_token_leads_behind_the_last_row_shown() -> None:
    _enter()
    request = ListFacilitiesRequest(hospital_id="h", page_size=2)
    request.page_token = _token(request)
    assert PAGING.page(request).after == ("b", "2")


def test_the_last_page_has_no_token() -> None:
    _enter()
    shown, token = PAGING.page(ListFacilitiesRequest()).cut(["a"], key=str)
    assert (shown, token) == (["a"], "")


def test_sizes_default_and_are_capped() -> None:
    _enter()
    sizes = [PAGING.page(ListFacilitiesRequest(page_size=n)).size for n in (0, 7, 2**31 - 1)]
    assert sizes == [50, 7, 1000]


def test_a_token_of_another_caller_method_or_filter_is_refused() -> None:
    _enter()
    request = ListFacilitiesRequest(hospital_id="h", page_size=2)
    token = _token(request)
    with pytest.raises(InvalidPageToken):
        PAGING.page(ListFacilitiesRequest(hospital_id="other", page_size=2, page_token=token))
    _enter()
    with pytest.raises(InvalidPageToken):
        PAGING.page(ListFacilitiesRequest(hospital_id="h", page_size=2, page_token=token))


@pytest.mark.parametrize("position", range(0, 60, 7))
def test_a_changed_token_is_refused(position: int) -> None:
    _enter()
    request = ListFacilitiesRequest(hospital_id="h", page_size=2)
    sealed = bytearray(base64.urlsafe_b64decode(_token(request)))
    sealed[position % len(sealed)] ^= 1
    request.page_token = base64.urlsafe_b64encode(bytes(sealed)).decode()
    with pytest.raises(InvalidPageToken):
        PAGING.page(request)


@pytest.mark.parametrize("nonsense", ["x", "====", "\u00e9", "A" * 5000])
def test_nonsense_is_refused(nonsense: str) -> None:
    _enter()
    with pytest.raises(InvalidPageToken):
        PAGING.page(ListFacilitiesRequest(page_token=nonsense))
