// RFC 4180 lines that a spreadsheet reads as text, never as a formula.

const FORMULA = /^[=+\-@\t\r\n|%]/;
const QUOTED = /[",\r\n]/;

function cell(value: string | null): string {
  if (value === null) return '';
  const text = FORMULA.test(value.trimStart()) || FORMULA.test(value) ? `'${value}` : value;
  return QUOTED.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvLine(cells: readonly (string | null)[]): string {
  return `${cells.map(cell).join(',')}\r\n`;
}
