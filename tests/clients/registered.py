# SPDX-License-Identifier: Apache-2.0
"""Confluent's serializers against a schema registry and a broker: PROGRAM BROKER REGISTRY TOPIC. Each value has a header `tag`;
prints the id that each got, as JSON."""
import json
import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

broker, url, topic = sys.argv[1:]
registry = SchemaRegistryClient({"url": url})
producer = Producer({"bootstrap.servers": broker})

ORDER = {"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "id", "type": "long"}, {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}, {"name": "note", "type": ["null", "string"], "default": None}]}
ADDRESS = {"type": "record", "name": "Address", "namespace": "shop", "fields": [{"name": "city", "type": "string"}]}
CUSTOMER = {"type": "record", "name": "Customer", "namespace": "shop", "fields": [{"name": "home", "type": "shop.Address"}]}
MADE = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Made", "type": "object", "properties": {"n": {"type": "integer"}}}


def send(tag, serializer, value):
    """A subject of its own for each."""
    where = SerializationContext(f"{topic}-{tag}", MessageField.VALUE)
    data = serializer(value, where)
    producer.produce(topic, value=data, headers={"tag": tag})
    return int.from_bytes(data[1:5], "big")


def messages():
    """Of a .proto with one that imports another, made here: no compiler is needed."""
    pool = descriptor_pool.DescriptorPool()
    money = descriptor_pb2.FileDescriptorProto(name="shop/money.proto", package="shop", syntax="proto3")
    money.message_type.add(name="Money").field.add(name="cents", number=1, type=3, label=1)
    bill = descriptor_pb2.FileDescriptorProto(name="shop/bill.proto", package="shop", syntax="proto3", dependency=["shop/money.proto"])
    bill.message_type.add(name="Other").field.add(name="n", number=1, type=5, label=1)
    made = bill.message_type.add(name="Bill")
    made.field.add(name="total", number=1, type=11, label=1, type_name=".shop.Money")
    made.nested_type.add(name="Part").field.add(name="name", number=1, type=9, label=1)
    for file in (money, bill):
        pool.Add(file)
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.{name}")) for name in ("Bill", "Bill.Part", "Money")]


def main():
    from datetime import datetime, timezone
    from decimal import Decimal
    bill, part, money = messages()
    registry.register_schema("address", Schema(json.dumps(ADDRESS), "AVRO"))
    customer = Schema(json.dumps(CUSTOMER), "AVRO", [SchemaReference("shop.Address", "address", 1)])
    order = {"id": 9007199254740993, "total": Decimal("12.34"), "at": datetime(2026, 11, 28, 12, 0, 0, 123456, timezone.utc), "note": "x"}
    ids = {"avro": send("avro", AvroSerializer(registry, json.dumps(ORDER)), order),
           "reference": send("reference", AvroSerializer(registry, customer), {"home": {"city": "Rn"}}),
           "json": send("json", JSONSerializer(json.dumps(MADE), registry), {"n": 7}),
           "protobuf": send("protobuf", ProtobufSerializer(bill, registry, {"use.deprecated.format": False}), bill(total=money(cents=12))),
           "nested": send("nested", ProtobufSerializer(part, registry, {"use.deprecated.format": False}), part(name="Ada"))}
    assert producer.flush(30) == 0
    print(json.dumps(ids))


main()
