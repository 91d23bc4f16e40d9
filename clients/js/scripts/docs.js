// Makes the API documents in api, and checks that every public name has a description and an example.

import { fileURLToPath } from "node:url";
import { Application, ReflectionKind } from "typedoc";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const app = await Application.bootstrapWithPlugins({ options: "typedoc.json" });
const project = await app.convert();
if (!project) process.exit(1);
app.validate(project);

/** Names that need an example: what one imports, and what one calls. Fields and events show in that of their type. */
const kinds = [ReflectionKind.Class, ReflectionKind.Interface, ReflectionKind.TypeAlias, ReflectionKind.Variable];
const found = [
  ...project.getReflectionsByKind(kinds.reduce((all, kind) => all | kind)),
  ...project
    .getReflectionsByKind(ReflectionKind.CallSignature)
    .filter(({ parent }) => !parent.parent?.isTypeParameter?.()),
];
let problems = app.logger.warningCount + app.logger.errorCount;
for (const reflection of found) {
  const isNested = reflection.getFullName().includes("__type");
  if (isNested || reflection.inheritedFrom || reflection.parent?.kindOf?.(ReflectionKind.Constructor)) continue;
  if (reflection.kind === ReflectionKind.CallSignature && isMethodOfPlatform(reflection)) continue;
  if (reflection.comment?.blockTags.some(({ tag }) => tag === "@example")) continue;
  console.error(`${reflection.getFullName()} has no example`);
  problems++;
}
if (problems > 0) process.exit(1);
await app.generateOutputs(project);
console.log(`API documents: ${found.length} names, all described and with an example`);

/** Methods of classes that the platform has. */
function isMethodOfPlatform(reflection) {
  return /\b(WebSocketLike|WebTransportLike|Encoding)\b/.test(reflection.getFullName());
}
