#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# confluent-kafka's ProtobufSerializer (Python) registers no .proto but the file's descriptor, in base64. Confluent's registry and
# Karapace make a .proto of it; Apicurio 2.6.13 gives it back as it came: who reads schemas from it must know both.
. "$(dirname "$0")/lib.sh"

python 'confluent-kafka[protobuf,schemaregistry]==2.12.2'
cat >register.py <<'P'
import http.server, json, sys, threading
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.wrappers_pb2 import Int64Value

class Registry(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(json.loads(self.rfile.read(int(self.headers["content-length"])))["schema"][:24], flush=True)
        body = b'{"id": 1}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Registry)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = SchemaRegistryClient({"url": f"http://127.0.0.1:{server.server_port}"})
serializer = ProtobufSerializer(Int64Value, client, {"use.deprecated.format": False})
serializer(Int64Value(value=7), SerializationContext("topic", MessageField.VALUE))
P

seen 'what is registered of google/protobuf/wrappers.proto' "$(venv/bin/python -W ignore register.py | tail -n 1)" 'Ch5nb29nbGUvcHJvdG9idWYv'
