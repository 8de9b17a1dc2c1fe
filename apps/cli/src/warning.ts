/** Tells on stderr what an installation warns of: the value of `Hearth-Warning` (publish-api §3.2), if there is one. */
export function warn(warning: string | undefined): void {
  if (warning !== undefined) process.stderr.write(`warning: ${warning}\n`);
}
