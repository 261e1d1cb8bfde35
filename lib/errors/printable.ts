/** Text of others as a terminal, a log and their readers are to see it: in one line, and all of it. */

/**
 * What a terminal obeys, what begins another line, what turns the rest of one about, and what is there and is not seen
 * (soft hyphens, joiners, fillers, variation selectors, tags): with these a name looks like that of somebody else, and
 * what is made of it like a line of somebody else's. Letters of all scripts stay, and so do tabs and spaces.
 */
const DECEPTIVE = /(?!\t)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

function escaped(character: string): string {
  const number = (character.codePointAt(0) ?? 0).toString(16);
  if (number.length > 4) return `\\u{${number}}`;
  return number.length > 2 ? `\\u${number.padStart(4, '0')}` : `\\x${number.padStart(2, '0')}`;
}

/** What a peer had a say in, before it goes into a message of an error or to a terminal. */
export const printable = (text: string): string => text.replace(DECEPTIVE, escaped);

/**
 * JSON as a line that a terminal may be shown: JSON itself escapes a part of these only. What is parsed stays the same,
 * as they can stand within strings alone.
 */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value).replace(DECEPTIVE, (character) =>
    // JSON's escapes are of UTF-16: two for a character beyond the first plane.
    Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  );
