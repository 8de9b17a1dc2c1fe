/**
 * JSON text of an object, with one member as it is written: read and written again, `12345678901234567890` and `1.10`
 * would come out as other numbers.
 *
 * @param members a member of the same name is replaced
 * @param text JSON; `undefined`: the object as it is
 */
export function jsonWithMember(members: object, name: string, text: string | undefined): string {
  if (text === undefined) return JSON.stringify(members);
  const others = JSON.stringify({ ...members, [name]: undefined });
  const comma = others === '{}' ? '' : ',';
  return `${others.slice(0, -1)}${comma}${JSON.stringify(name)}:${text.trim()}}`;
}
