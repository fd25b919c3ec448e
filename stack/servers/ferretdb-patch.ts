// What is changed in FerretDB's source before it is built; docs/kinds/mongodb.md says why. Each edit must fit exactly once.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors';

interface Edit {
  file: string;
  find: string;
  replace: string;
}

const CONN = 'internal/clientconn/conn.go';
const SQLITE_REGISTRY = 'internal/backends/sqlite/metadata/registry.go';

const EDITS: readonly Edit[] = [
  // Names reach SQLite between quotes that Go escapes as \" and SQLite does not know: a name with a quote was SQL.
  {
    file: 'internal/backends/validation.go',
    find: String.raw`"^[^\\.$\x00][^$\x00]{0,234}$"`,
    replace: String.raw`"^[^\\.$\x00\"][^$\x00\"]{0,234}$"`,
  },
  {
    file: SQLITE_REGISTRY,
    find: '\tdbName, collectionName := params.DBName, params.Name\n',
    replace: `\tdbName, collectionName := params.DBName, params.Name

\tif strings.Contains(collectionName, "\\"") {
\t\treturn false, lazyerrors.New("a collection's name holds a quote")
\t}
`,
  },
  {
    file: SQLITE_REGISTRY,
    find: '\t\tq := "CREATE "\n',
    replace: `\t\tif strings.Contains(index.Name, "\\"") {
\t\t\treturn lazyerrors.New("an index's name holds a quote")
\t\t}

\t\tfor _, key := range index.Key {
\t\t\tif strings.Contains(key.Field, "\\"") {
\t\t\t\treturn lazyerrors.New("an index's field holds a quote")
\t\t\t}
\t\t}

\t\tq := "CREATE "
`,
  },
  // limits.go
  {
    file: CONN,
    find: '\tlastRequestID  atomic.Int32\n',
    replace: '\tlastRequestID  atomic.Int32\n\tadmitted       bool\n',
  },
  { file: CONN, find: '\tconnInfo := conninfo.New()\n', replace: '\tdefer c.leave()\n\n\tconnInfo := conninfo.New()\n' },
  {
    file: CONN,
    find: '\t\treqHeader, reqBody, err = wire.ReadMessage(bufr)\n',
    replace: `\t\tif err = checkSize(ctx, bufr); err != nil {
\t\t\treturn
\t\t}

\t\treqHeader, reqBody, err = wire.ReadMessage(bufr)
`,
  },
  {
    file: CONN,
    find: '\t\tresReply, err = c.h.CmdQuery(connCtx, query)\n',
    replace: `\t\tresReply, err = c.h.CmdQuery(connCtx, query)
\t\tif err == nil {
\t\t\terr = c.admit(connCtx)
\t\t}
`,
  },
  {
    file: CONN,
    find: '\t\treturn cmd.Handler(connCtx, msg)\n',
    replace: `\t\tif err := c.spend(connCtx, command); err != nil {
\t\t\treturn nil, err
\t\t}

\t\tres, err := cmd.Handler(connCtx, msg)
\t\tif err == nil {
\t\t\terr = c.admit(connCtx)
\t\t}

\t\tif err != nil {
\t\t\treturn nil, err
\t\t}

\t\treturn res, nil
`,
  },
];

/** Raised with every change here or in ferretdb/patch: a binary of another number is built anew. */
export const PATCH = 'leasehold-1';

/** @param source folder of this package's part, with `patch/limits.go`; @param module FerretDB's source, which is changed in place */
export function patchFerretdb(source: string, module: string): void {
  for (const { file, find, replace } of EDITS) {
    const path = join(module, file);
    const text = readFileSync(path, 'utf8');
    if (text.split(find).length !== 2) throw new StackError(`${file} of FerretDB is not the one that the patch was made for`);
    writeFileSync(
      path,
      text.replace(find, () => replace),
    );
  }
  copyFileSync(join(source, 'patch', 'limits.go'), join(module, 'internal/clientconn/leasehold_limits.go'));
  // Shown by `ferretdb --version`, which is how a patched binary is told from another.
  writeFileSync(join(module, 'build/version/package.txt'), `${PATCH}\n`);
}
