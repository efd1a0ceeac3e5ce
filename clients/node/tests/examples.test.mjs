// SPDX-License-Identifier: Apache-2.0
// The examples' own tests pass where the package is installed as their package.json says.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PACKAGE = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

test('examples/program-node', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'stepd-example-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(path.join(PACKAGE, '../../examples/program-node'), folder, { recursive: true });
  mkdirSync(path.join(folder, 'node_modules'), { recursive: true });
  symlinkSync(PACKAGE, path.join(folder, 'node_modules/stepd'));
  const { NODE_TEST_CONTEXT: ours, ...env } = process.env;
  const done = spawnSync(process.execPath, ['--test'], { cwd: folder, env, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stdout);
  assert.match(done.stdout, /pass 4/);
});
