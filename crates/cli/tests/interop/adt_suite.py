"""Every operation of azure-digitaltwins-core, unchanged, against a running node.

python adt_suite.py <url> <dir of an older version, or -> ; prints `ok <what>`, or fails.
"""

import sys

if sys.argv[2] != "-":
    sys.path.insert(0, sys.argv[2])

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.digitaltwins.core import DigitalTwinsClient


class Token(SansIOHTTPPolicy):
    def on_request(self, request):
        request.http_request.headers["Authorization"] = "Bearer anything"


class Credential:
    def get_token(self, *scopes, **options):
        raise AssertionError("the policy above sets the token")


client = DigitalTwinsClient(sys.argv[1], Credential(), authentication_policy=Token())
# Each version has its own things.
tag = sys.argv[2].rsplit("-", 1)[-1].replace(".", "") or "new"


def ok(what, holds=True):
    assert holds, what
    print("ok", what)


def fails(what, error, code, call):
    try:
        call()
    except error as caught:
        ok(what, code is None or caught.error.code == code)
    else:
        raise AssertionError(what + " went through")


def model(name, **more):
    return {
        "@context": "dtmi:dtdl:context;2",
        "@id": f"dtmi:sdk{tag}:{name};1",
        "@type": "Interface",
        **more,
    }


lamp = model("Lamp", contents=[{"@type": "Property", "name": "on", "schema": "boolean"}])
room = model(
    "Room",
    displayName="Room",
    contents=[
        {"@type": "Property", "name": "temperature", "schema": "double"},
        {"@type": "Component", "name": "lamp", "schema": lamp["@id"]},
        {
            "@type": "Relationship",
            "name": "beside",
            "properties": [{"@type": "Property", "name": "metres", "schema": "double"}],
        },
    ],
)

ok("create_models of nothing", client.create_models([]) == [])
made = client.create_models([room, lamp])
ok("create_models", sorted(m.id for m in made) == sorted([room["@id"], lamp["@id"]]))
fails(
    "create_models twice",
    ResourceExistsError,
    "ModelAlreadyExists",
    lambda: client.create_models([room]),
)
fails(
    "create_models of nonsense",
    HttpResponseError,
    "DTDLParserError",
    lambda: client.create_models([model("Bad", contents=7)]),
)
got = client.get_model(room["@id"], include_model_definition=True)
ok("get_model", got.model == room and got.display_name == {"en": "Room"})
ok("get_model's times", got.upload_time.year >= 2020 and got.decommissioned is False)
fails("get_model of none", ResourceNotFoundError, "ModelNotFound", lambda: client.get_model("dtmi:sdk:No;1"))
listed = client.list_models([room["@id"]], include_model_definition=True, headers={"max-items-per-page": "1"})
ok("list_models", sorted(m.id for m in listed) == sorted([room["@id"], lamp["@id"]]))


def twin(temperature):
    return {
        "$metadata": {"$model": room["@id"]},
        "temperature": temperature,
        "lamp": {"$metadata": {}},
    }


a, b = f"{tag}/a ü;:1", f"{tag}-b"
first = client.upsert_digital_twin(a, twin(20))
ok("upsert_digital_twin", first["$dtId"] == a and first["temperature"] == 20)
client.upsert_digital_twin(b, twin(21), match_condition=MatchConditions.IfMissing)
fails(
    "upsert_digital_twin if missing",
    ResourceExistsError,
    "PreconditionFailed",
    lambda: client.upsert_digital_twin(b, twin(1), match_condition=MatchConditions.IfMissing),
)
fails(
    "upsert_digital_twin of what does not fit",
    HttpResponseError,
    "ValidationFailed",
    lambda: client.upsert_digital_twin(b, twin("hot")),
)
ok("get_digital_twin", client.get_digital_twin(a) == first)
fails("get_digital_twin of none", ResourceNotFoundError, "DigitalTwinNotFound", lambda: client.get_digital_twin("none"))
hotter = [{"op": "replace", "path": "/temperature", "value": 25}]
client.update_digital_twin(a, hotter, etag=first["$etag"], match_condition=MatchConditions.IfNotModified)
ok("update_digital_twin", client.get_digital_twin(a)["temperature"] == 25)
fails(
    "update_digital_twin if not modified",
    ResourceModifiedError,
    "PreconditionFailed",
    lambda: client.update_digital_twin(a, hotter, etag=first["$etag"], match_condition=MatchConditions.IfNotModified),
)
client.update_component(a, "lamp", [{"op": "add", "path": "/on", "value": True}])
ok("update_component and get_component", client.get_component(a, "lamp")["on"] is True)
fails("get_component of none", ResourceNotFoundError, "ComponentNotFound", lambda: client.get_component(a, "roof"))

edge = {"$relationshipId": "r/1", "$sourceId": a, "$relationshipName": "beside", "$targetId": b, "metres": 2}
put = client.upsert_relationship(a, "r/1", edge)
ok("upsert_relationship", put["metres"] == 2 and put["$targetId"] == b)
for n in range(2, 5):
    client.upsert_relationship(a, f"r/{n}", {**edge, "$relationshipId": f"r/{n}"})
ok("get_relationship", client.get_relationship(a, "r/1") == put)
client.update_relationship(
    a,
    "r/1",
    [{"op": "replace", "path": "/metres", "value": 3}],
    etag=put["$etag"],
    match_condition=MatchConditions.IfNotModified,
)
ok("update_relationship", client.get_relationship(a, "r/1")["metres"] == 3)
size = {"max-items-per-page": "3"}
ok("list_relationships", len(list(client.list_relationships(a, headers=size))) == 4)
ok("list_relationships by name", len(list(client.list_relationships(a, relationship_id="beside", headers=size))) == 4)
ok("list_relationships of another name", list(client.list_relationships(a, relationship_id="over")) == [])
incoming = list(client.list_incoming_relationships(b, headers=size))
ok("list_incoming_relationships", len(incoming) == 4 and incoming[0].source_id == a)

client.publish_telemetry(a, {"noise": 3})
client.publish_component_telemetry(a, "lamp", {"flicker": 1}, message_id="m1")
ok("publish_telemetry and publish_component_telemetry")

ask = f"SELECT * FROM DIGITALTWINS T WHERE IS_OF_MODEL(T, '{room['@id']}')"
ok("query_twins", len(list(client.query_twins(ask))) == 2)
pages = list(client.query_twins(ask, headers={"max-items-per-page": "1"}).by_page())
ok("query_twins by pages", sum(len(list(page)) for page in pages) == 2 and len(pages) >= 2)
fails("query_twins of nonsense", HttpResponseError, "SqlQueryError", lambda: list(client.query_twins("SELECT")))

fails("delete_digital_twin with relationships", HttpResponseError, "RelationshipsNotDeleted", lambda: client.delete_digital_twin(b))
for n in range(1, 5):
    client.delete_relationship(a, f"r/{n}")
ok("delete_relationship", list(client.list_relationships(a)) == [])
for name in (a, b):
    client.delete_digital_twin(name)
fails("delete_digital_twin", ResourceNotFoundError, None, lambda: client.get_digital_twin(a))
fails("delete_model in use", ResourceExistsError, "ModelReferencesNotDeleted", lambda: client.delete_model(lamp["@id"]))
client.decommission_model(room["@id"])
ok("decommission_model", client.get_model(room["@id"]).decommissioned is True)
fails("upsert_digital_twin of a decommissioned model", HttpResponseError, "ModelDecommissioned", lambda: client.upsert_digital_twin(a, twin(1)))
client.delete_model(room["@id"])
client.delete_model(lamp["@id"])
fails("delete_model", ResourceNotFoundError, "ModelNotFound", lambda: client.get_model(room["@id"]))
