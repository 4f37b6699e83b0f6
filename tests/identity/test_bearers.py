"""Bearer tokens: the right ones are believed, and no other."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from headstart.app.ports import By, Login
from headstart.core.access import Principal, Role
from headstart.identity.bearers import BadToken, Bearers, Trusted, UnknownLogin
from headstart.identity.issuers import issuers_of
from headstart.identity.key_sets import KeySet
from headstart.store.sign_ins import SignInStore
from tests.conftest import Cast
from tests.docs.pages import DOCS
from tests.identity.forge import (
    AUDIENCE,
    ISSUER,
    PERSON,
    SHARED,
    SHARED_SECRET,
    bad_tokens,
    claims,
    ec_key,
    issuers,
    jwk,
    rsa_key,
    shared,
    shared_claims,
    signed,
)

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

Json = dict[str, Any]
JWKS_URL = "https://id.example/keys"
CUSTOMER = Principal(Role.CUSTOMER, PERSON)

BY = By("operator:test", "a test")


async def published(_: str) -> Json:
    """The provider's key set."""
    return {"keys": [jwk("one")]}


def real_time() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def reader(pool: "Pool", described: list[Json], now: Callable[[], datetime] = real_time) -> Bearers:
    """Reads tokens of these issuers."""
    trusted = [
        Trusted(one, KeySet(one.jwks_url, published, time.monotonic) if one.jwks_url else None)
        for one in issuers_of(described, "HEADSTART_ISSUERS")
    ]
    return Bearers(trusted, SignInStore(pool), now)


@pytest.fixture
def bearers(pool: "Pool") -> Bearers:
    return reader(pool, issuers(JWKS_URL))


async def test_no_bad_token_is_believed(bearers: Bearers) -> None:
    believed = []
    for name, token in bad_tokens().items():
        try:
            believed.append((name, await bearers.read(token)))
        except BadToken:
            continue
    assert believed == []
    assert len(bad_tokens()) >= 200


def right_tokens() -> list[str]:
    """Made when they are needed: some last for seconds only."""
    now = int(time.time())
    return [
        signed(claims()),
        signed(claims(aud=["other", AUDIENCE])),
        signed(claims(), typ="at+jwt"),
        signed(claims(), typ="-"),
        signed(claims(), kid="-"),
        signed(claims(typ="Bearer", token_use="access")),
        signed(claims(nbf=now + 5, iat=now + 5)),
        signed(claims(exp=now - 5)),
        signed(claims(exp=now + 60.5)),
        shared(shared_claims()),
        shared(shared_claims(), kid="4f1c2b"),
    ]


async def test_a_right_token_is_believed(bearers: Bearers) -> None:
    for token in right_tokens():
        found = await bearers.read(token)
        assert found.who == CUSTOMER
        assert found.login in (Login(ISSUER, "auth0|7"), Login(SHARED, "auth0|7"))
        assert found.sign_in is None


async def test_a_supabase_project_with_signing_keys_is_believed(pool: "Pool") -> None:
    """Its tokens as they are: ES256 by the key set, or an Ed25519 key."""
    described = issuers(JWKS_URL)[1] | {"jwks_url": JWKS_URL, "algorithms": ["ES256", "EdDSA"]}
    del described["secret"]
    edwards = ed25519.Ed25519PrivateKey.generate()
    ec = jwt.algorithms.ECAlgorithm.to_jwk(ec_key("supabase").public_key(), as_dict=True)
    okp = jwt.algorithms.OKPAlgorithm.to_jwk(edwards.public_key(), as_dict=True)

    async def keys(_: str) -> Json:
        return {"keys": [{**ec, "kid": "e", "alg": "ES256"}, {**okp, "kid": "o", "alg": "EdDSA"}]}

    [issuer] = issuers_of([described], "HEADSTART_ISSUERS")
    trusted = [Trusted(issuer, KeySet(JWKS_URL, keys, time.monotonic))]
    bearers = Bearers(trusted, SignInStore(pool), real_time)
    told = shared_claims()
    for token in (
        signed(told, ec_key("supabase"), "ES256", kid="e"),
        signed(told, edwards, "EdDSA", kid="o"),
    ):
        assert (await bearers.read(token)).who == CUSTOMER
    for token in (
        signed(told, ec_key("stranger"), "ES256", kid="e"),
        signed(told, edwards, "EdDSA", kid="e"),
        shared(told, kid="e"),
    ):
        with pytest.raises(BadToken):
            await bearers.read(token)


async def test_what_a_login_is_called_is_not_whom_it_speaks_for(
    bearers: Bearers, pool: "Pool", cast: Cast
) -> None:
    """A mechanic's own id in ``sub`` makes nobody that mechanic."""
    by_claim = await bearers.read(signed(claims(sub=str(cast.favorite))))
    assert by_claim.who == CUSTOMER
    described = issuers(JWKS_URL)
    del described[0]["person_claim"]
    by_table = reader(pool, described)
    login = Login(ISSUER, str(cast.favorite))
    token = signed(claims(sub=str(cast.favorite), shop={"role": "mechanic"}, role="mechanic"))
    with pytest.raises(UnknownLogin):
        await by_table.read(token)
    known = SignInStore(pool)
    await known.put_login(login, None, disabled=False, sign_out=False, by=BY)
    with pytest.raises(UnknownLogin):
        await by_table.read(token)
    await known.put_login(
        login, Principal(Role.MECHANIC, cast.second), disabled=False, sign_out=False, by=BY
    )
    assert (await by_table.read(token)).who == Principal(Role.MECHANIC, cast.second)
    del described[1]["person_claim"]
    with pytest.raises(UnknownLogin):  # of the same name, but at another provider
        await reader(pool, described).read(shared(shared_claims(sub=str(cast.favorite))))


async def test_a_strength_that_is_demanded_is_looked_at(pool: "Pool") -> None:
    described = issuers(JWKS_URL)
    described[1]["must_have"] |= {"aal": "aal2"}
    bearers = reader(pool, described)
    assert (await bearers.read(shared(shared_claims(aal="aal2")))).who == CUSTOMER
    for weaker in ("aal1", None, "", ["aal2"]):
        with pytest.raises(BadToken):
            await bearers.read(shared(shared_claims(aal=weaker)))


async def test_roles_may_be_called_otherwise_there(pool: "Pool") -> None:
    described = issuers(JWKS_URL)
    described[0]["roles"] = {"technician": "mechanic"}
    described[0]["role_claim"] = "https://shop.example/role"
    described[0]["person_claim"] = "id"
    bearers = reader(pool, described)
    told = {"https://shop.example/role": "technician", "id": str(PERSON)}
    assert (await bearers.read(signed(claims(**told)))).who == Principal(Role.MECHANIC, PERSON)
    with pytest.raises(BadToken):
        await bearers.read(signed(claims(**(told | {"https://shop.example/role": "mechanic"}))))


async def test_an_issuer_without_audience_signs_nobody_in_by_token(pool: "Pool") -> None:
    described = issuers(JWKS_URL)
    del described[0]["audience"]
    with pytest.raises(BadToken):
        await reader(pool, described).read(signed(claims()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"secret": SHARED_SECRET}, "either jwks_url or secret"),
        ({"jwks_url": None}, "either jwks_url or secret"),
        ({"algorithms": ["HS256"]}, "HS algorithms go with a secret"),
        ({"algorithms": ["RS256", "HS256"]}, "HS algorithms go with a secret"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"jwks_url": "http://id.example/keys"}, "https"),
        ({"jwks_url": "https://me:pw@id.example/keys"}, "https"),
        ({"jwks_url": "file:///etc/passwd"}, "https"),
        ({"jwks_url": None, "secret": "short", "algorithms": ["HS256"]}, "32 characters"),
        ({"jwks_url": None, "secret": SHARED_SECRET, "algorithms": ["HS512"]}, "64 characters"),
        ({"jwks_url": None, "secret": "ab" * 32, "algorithms": ["HS256"]}, "too simple"),
        ({"role_claim": "user_metadata.role"}, "people can edit"),
        ({"person_claim": "user_metadata.id"}, "people can edit"),
        ({"roles": {"admin": "king"}}, "roles"),
        ({"audience": ""}, "audience"),
        ({"algorithm": "RS256"}, "algorithm"),
    ],
)
def test_an_issuer_that_cannot_be_right_is_refused_in_one_line(change: Json, said: str) -> None:
    described = issuers(JWKS_URL)[0] | change
    with pytest.raises(ValueError, match="HEADSTART_ISSUERS: number 1: ") as refused:
        issuers_of([described], "HEADSTART_ISSUERS")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert SHARED_SECRET not in str(refused.value)


def test_a_public_key_is_no_secret() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"
    described = issuers(JWKS_URL)[1] | {"secret": pem}
    with pytest.raises(ValueError, match="is a public key"):
        issuers_of([described], "HEADSTART_ISSUERS")


def test_an_issuer_stands_there_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        issuers_of([issuers(JWKS_URL)[0]] * 2, "HEADSTART_ISSUERS")


def test_a_forger_has_keys_of_their_own() -> None:
    assert rsa_key("one") is rsa_key("one")
    assert rsa_key("one") is not rsa_key("stranger")


def test_the_examples_of_the_guide_are_right() -> None:
    guide = (DOCS / "how-to" / "sign-people-in.md").read_text(encoding="utf-8")
    examples = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert len(issuers_of(json.loads(example), "HEADSTART_ISSUERS")) == 1
