// SPDX-License-Identifier: Apache-2.0
// Objects that are none of Kubernetes's own, as a list of JSON on standard input, against the schemas that their models carry.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const find = createRequire(`${process.cwd()}/`);
for (const object of JSON.parse(readFileSync(0))) {
    const [group, version] = object.apiVersion.split("/");
    const name = { "keda.sh": "keda", "monitoring.coreos.com": "prometheus-operator" }[group];
    const top = find.resolve(`@kubernetes-models/${name}/package.json`).replace("package.json", "");
    const models = await import(pathToFileURL(`${top}${group}/${version}/index.js`));
    new models[object.kind](object).validate();
    console.log(`${object.kind} ${object.metadata.name}`);
}
