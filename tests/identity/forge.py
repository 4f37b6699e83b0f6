"""Tokens as a provider signs them, and as forgers do."""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

ISSUER = "https://id.example/realms/shop"
SHARED = "https://project.supabase.example/auth/v1"
AUDIENCE = "headstart-api"
SHARED_SECRET = "a shared secret that nobody guesses, 2026"
PERSON = UUID("c0000000-0000-4000-8000-000000000009")
FAR = 20_000  # characters: longer than any token that is read

Json = dict[str, Any]


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """A key of this name, the same one every time."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Likewise, on a curve."""
    return ec.generate_private_key(ec.SECP256R1())


def jwk(name: str, **more: Any) -> Json:
    """What a provider publishes of an RSA key."""
    public = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
    return {**public, "kid": name, "use": "sig", "alg": "RS256"} | more


def issuers(jwks_url: str, issuer: str = ISSUER) -> list[Json]:
    """The setting: one provider with a key set, one project with a shared secret."""
    return [
        {
            "issuer": issuer,
            "audience": AUDIENCE,
            "algorithms": ["RS256"],
            "jwks_url": jwks_url,
            "role_claim": "shop.role",
            "person_claim": "shop.id",
        },
        {
            "issuer": SHARED,
            "audience": "authenticated",
            "algorithms": ["HS256"],
            "secret": SHARED_SECRET,
            "must_have": {"role": "authenticated"},
            "role_claim": "app_metadata.headstart_role",
            "person_claim": "app_metadata.headstart_id",
        },
    ]


def claims(issuer: str = ISSUER, **changes: Any) -> Json:
    """What the provider says of a customer; None takes a claim away."""
    now = int(time.time())
    usual: Json = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": "auth0|7",
        "iat": now - 60,
        "exp": now + 3600,
        "shop": {"role": "customer", "id": str(PERSON)},
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def shared_claims(**changes: Any) -> Json:
    """What Supabase Auth says of a signed-in user."""
    usual: Json = {
        "aud": "authenticated",
        "role": "authenticated",
        "aal": "aal1",
        "session_id": "5f0c6d5e-8f0e-4b8e-9d43-5d8f2f2f1c11",
        "is_anonymous": False,
        "app_metadata": {"headstart_role": "customer", "headstart_id": str(PERSON)},
        "user_metadata": {"name": "Dana"},
        "shop": None,
    }
    return claims(SHARED, **(usual | changes))


def part(value: Any) -> str:
    """One part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(payload: Any, key: Any = None, algorithm: str = "RS256", **header: Any) -> str:
    """A token; the header says what it is told to, whatever really signed it."""
    said = {"alg": algorithm, "typ": "JWT"}
    if algorithm[0] in "RP":
        key = rsa_key("one") if key is None else key
        said["kid"] = "one"
    text = f"{part({n: v for n, v in (said | header).items() if v != '-'})}.{part(payload)}"
    signer = get_default_algorithms()[algorithm]
    raw = signer.sign(text.encode(), key if isinstance(key, bytes) else signer.prepare_key(key))
    return f"{text}.{part(raw)}"


def shared(payload: Any, secret: str = SHARED_SECRET, **header: Any) -> str:
    """A token signed with the shared secret."""
    return signed(payload, secret, "HS256", **header)


def _hs256(key: bytes, **header: Any) -> str:
    """Signed with whatever is public, as if that were a secret."""
    return signed(claims(), key, "HS256", kid="one", **header)


def bad_tokens() -> Mapping[str, str]:
    """Every way to be almost right that we know of, by what is wrong."""
    made: dict[str, str] = {}
    for kind in (_forms, _algorithms, _headers, _signatures, _names, _times, _kinds, _people):
        for name, token in kind():
            assert name not in made, f"{name} is there twice"
            made[name] = token
    return made


Forgeries = Iterator[tuple[str, str]]


def _forms() -> Forgeries:
    good = signed(claims())
    header, payload, signature = good.split(".")
    yield "nothing", "."
    yield "no token at all", "a.b.c"
    yield "two parts", f"{header}.{payload}"
    yield "four parts", f"{good}.{signature}"
    yield "encrypted, five parts", f"{header}..{payload}.{signature}.{signature}"
    yield "padded", f"{header}.{payload}==.{signature}"
    yield "a space within", f"{header}. {payload}.{signature}"
    yield "ordinary base64", f"{header}.{payload}+/.{signature}"
    yield "no payload", f"{header}..{signature}"
    yield "longer than any", signed(claims(more="x" * FAR))
    yield "a megabyte", signed(claims(more="x" * 1_000_000))
    odd: Mapping[str, bytes] = {
        "text": b"hello",
        "a list": b"[]",
        "a string": b'"x"',
        "null": b"null",
        "not utf-8": b"\xff\xfe{}",
        "cut off": b'{"iss": "',
        "nested without end": b"[" * 5_000,
    }
    for name, raw in odd.items():
        yield f"header is {name}", f"{part(raw)}.{payload}.{signature}"
        yield f"payload is {name}", signed(raw)
    text = json.dumps(claims())
    yield "issuer twice", signed(f'{{"iss": "https://evil.example", {text[1:]}'.encode())
    yield "expiry twice", signed(f'{text[:-1]}, "exp": 4000000000}}'.encode())
    twice = text.replace('"role": "customer"', '"role": "customer", "role": "operator"')
    yield "role twice, further in", signed(twice.encode())
    yield "not a number", signed(text.replace(str(claims()["exp"]), "NaN").encode())
    yield "endless", signed(text.replace(str(claims()["exp"]), "Infinity").encode())
    double = part(b'{"alg": "none", "alg": "RS256", "kid": "one"}')
    yield "algorithm twice", f"{double}.{payload}.{signature}"


def _algorithms() -> Forgeries:
    payload = part(claims())
    for name in ("none", "None", "nOnE", "NONE", "", "rs256", "RS256 ", "dir", "HS512"):
        bare = f"{part({'alg': name, 'kid': 'one'})}.{payload}"
        yield f"{name!r}, unsigned", f"{bare}."
        yield f"{name!r}, with something for a signature", f"{bare}.{part(b'x' * 32)}"
    for value in (None, 5, ["RS256"], {"alg": "RS256"}, True):
        yield f"algorithm is {value!r}", signed(claims(), alg=value)
    yield "no algorithm", signed(claims(), alg="-")
    public = rsa_key("one").public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield "HS256 with the public PEM", _hs256(pem)
    yield "HS256 with the public PEM, stripped", _hs256(pem.strip())
    yield "HS256 with PKCS 1", _hs256(public.public_bytes(Encoding.PEM, PublicFormat.PKCS1))
    yield (
        "HS256 with DER",
        _hs256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
    )
    yield "HS256 with the JWK", _hs256(json.dumps(jwk("one")).encode())
    yield "HS256 with the modulus", _hs256(jwk("one")["n"].encode())
    yield "HS256 with nothing", _hs256(b"")
    yield "HS256 with the other issuer's secret", _hs256(SHARED_SECRET.encode())
    yield "HS256 that says RS256", _hs256(pem, alg="RS256")
    for other in ("RS384", "RS512", "PS256"):
        yield f"{other} with the right key", signed(claims(), algorithm=other)
    yield "ES256 under the same id", signed(claims(), ec_key("one"), "ES256", kid="one")
    yield "HS512 with the shared secret", signed(shared_claims(), SHARED_SECRET, "HS512")
    yield "RS256 for the shared issuer", signed(shared_claims())


def _headers() -> Forgeries:
    stranger = rsa_key("stranger")
    evil = "https://evil.example/keys"
    yield "key set from the header", signed(claims(), stranger, jku=evil)
    yield "certificate from the header", signed(claims(), stranger, x5u=evil)
    yield "key in the header", signed(claims(), stranger, jwk=jwk("stranger"))
    yield "key in the header, right key", signed(claims(), jwk=jwk("one"))
    yield "certificate in the header", signed(claims(), stranger, x5c=["MIIB"])
    yield "critical, unknown", signed(claims(), crit=["exp"], exp=1)
    yield "critical, empty", signed(claims(), crit=[])
    yield "payload not encoded", signed(claims(), crit=["b64"], b64=False)
    yield "compressed", signed(claims(), zip="DEF")
    yield "a token in a token", signed(claims(), cty="JWT")
    for kind in ("refresh+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "", 7, None):
        yield f"type {kind!r}", signed(claims(), typ=kind)
    ids: list[Any] = [
        "two",
        "../../../dev/null",
        "' or 1=1 --",
        "one\x00",
        "ONE",
        "one ",
        "",
        "x" * 500,
    ]
    for kid in [*ids, 1, ["one"], {"kid": "one"}, None, True]:
        yield f"key {str(kid)[:30]!r} ({type(kid).__name__})", signed(claims(), kid=kid)
    for kid in ("/dev/null", "x' union select 'secret"):
        yield f"HS256, key {kid!r}", shared(claims(), secret="\0" * 32, kid=kid)


def _signatures() -> Forgeries:
    good = signed(claims())
    text, _, signature = good.rpartition(".")
    first = "A" if signature[0] != "A" else "B"
    yield "a changed signature", f"{text}.{first}{signature[1:]}"
    yield "half a signature", f"{text}.{signature[: len(signature) // 2]}"
    yield "an empty signature", f"{text}."
    yield "a stranger's signature", signed(claims(), rsa_key("stranger"))
    other = signed(claims(sub="auth0|8")).rpartition(".")[2]
    yield "another token's signature", f"{text}.{other}"
    header, _, _ = good.split(".")
    operator = part(claims(shop={"role": "operator", "id": str(PERSON)}))
    yield "another payload", f"{header}.{operator}.{signature}"
    yield "a stranger's secret", shared(shared_claims(), secret="x" * 40)
    yield "the beginning of the secret", shared(shared_claims(), secret=SHARED_SECRET[:32])


def _names() -> Forgeries:
    wrong: list[Any] = [
        "https://id.example/realms/sho",
        "https://id.example/realms/shop/",
        "https://id.example/realms/shop.evil.example",
        "https://ID.example/realms/shop",
        "https://evil.example/?https://id.example/realms/shop",
        "headstart",
        SHARED,
        "",
        [ISSUER],
        {"iss": ISSUER},
        7,
    ]
    for issuer in wrong:
        yield f"issuer {issuer!r}", signed(claims(iss=issuer))
    yield "no issuer", signed({n: v for n, v in claims().items() if n != "iss"})
    audiences: list[Any] = [
        "other",
        "headstart",
        "headstart-ap",
        "headstart-api ",
        ["other"],
        [],
        "",
        7,
        {"aud": AUDIENCE},
        [7],
    ]
    for audience in audiences:
        yield f"audience {audience!r}", signed(claims(aud=audience))
    yield "no audience", signed({n: v for n, v in claims().items() if n != "aud"})
    yield "the other issuer, our key", signed(claims(SHARED, aud="authenticated"))
    for subject in ("", 7, ["x"], {"sub": "x"}, "x" * 300, "a\x00b", "a\nb", "\ud800"):
        yield f"subject {str(subject)[:20]!r}", signed(claims(sub=subject))
    yield "no subject", signed({n: v for n, v in claims().items() if n != "sub"})


def _times() -> Forgeries:
    now = int(time.time())
    for name in ("exp", "iat"):
        yield f"no {name}", signed({n: v for n, v in claims().items() if n != name})
        odd: list[Any] = [str(now), True, [now], {"at": now}, -1, 10**400, 1e300]
        for value in odd:
            yield (
                f"{name} is {str(value)[:20]!r} ({type(value).__name__})",
                signed(claims(**{name: value})),
            )
    yield "expired a minute ago", signed(claims(exp=now - 60))
    yield "expired in 1970", signed(claims(exp=0))
    yield "not before tomorrow", signed(claims(nbf=now + 86_400))
    yield "not before a word", signed(claims(nbf="now"))
    yield "issued tomorrow", signed(claims(iat=now + 86_400, exp=now + 90_000))
    yield "the shared issuer's, expired", shared(shared_claims(exp=now - 60))


def _kinds() -> Forgeries:
    marks: Mapping[str, tuple[Any, ...]] = {
        "typ": ("Refresh", "Offline", "ID", "Logout", 7, ["Bearer"]),
        "token_use": ("refresh", "id", ""),
        "token_type": ("refresh", "id_token", 1),
        "at_hash": ("MTIzNDU2Nzg5MDEyMzQ1Ng",),
        "c_hash": ("LDktKdoQak3Pk0cnXxCltA",),
        "events": ({"http://schemas.openid.net/event/backchannel-logout": {}},),
    }
    for name, values in marks.items():
        for value in values:
            yield f"{name} says {value!r}", signed(claims(**{name: value}))
    for role in ("anon", "service_role", "", None, ["authenticated"], 1):
        yield f"Supabase's role is {role!r}", shared(shared_claims(role=role))
    yield "Supabase's for anonymous requests", shared(shared_claims(aud="anon", role="anon"))


def _people() -> Forgeries:
    person = str(PERSON)
    shops: list[Any] = [
        {"role": "admin", "id": person},
        {"role": "Operator", "id": person},
        {"role": ["customer"], "id": person},
        {"role": None, "id": person},
        {"id": person},
        {"role": "customer"},
        {"role": "customer", "id": "1 or 1=1"},
        {"role": "customer", "id": f"{{{person}}}"},
        {"role": "customer", "id": f"urn:uuid:{person}"},
        {"role": "customer", "id": person.replace("-", "")},
        {"role": "customer", "id": f"{person}\n"},
        {"role": "customer", "id": [person]},
        {"role": "customer", "id": 7},
        [],
        "customer",
    ]
    for shop in shops:
        yield f"shop is {shop!r}", signed(claims(shop=shop))
    yield "no person", signed(claims(shop=None))
    theirs = {"headstart_role": "operator", "headstart_id": person}
    yield (
        "what a user says of themselves",
        shared(shared_claims(app_metadata={}, user_metadata=theirs)),
    )
