using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Grandstand
{
    /// <summary>Reads a JSON text (RFC 8259), strictly and without reflection.</summary>
    internal sealed class JsonReader
    {
        /// <summary>The deepest nesting. The edge allows 64; the bound keeps a hostile text from filling the stack.</summary>
        internal const int MostLevels = 256;

        private readonly string text;
        private int at;
        private StringBuilder buffer;

        internal JsonReader(string text)
        {
            if (text == null) throw new ArgumentNullException("text");
            this.text = text;
        }

        internal JsonValue ReadAll()
        {
            JsonValue value = ReadValue(0);
            SkipSpace();
            if (at < text.Length) throw Wrong("the text goes on after the value");
            return value;
        }

        private JsonValue ReadValue(int level)
        {
            SkipSpace();
            switch (Peek())
            {
                case '{': return ReadObject(level);
                case '[': return ReadArray(level);
                case '"': return ReadString();
                case 't': return ReadWord("true", true);
                case 'f': return ReadWord("false", false);
                case 'n': return ReadWord("null", JsonValue.Null);
                default: return ReadNumber();
            }
        }

        private JsonValue ReadObject(int level)
        {
            if (level >= MostLevels) throw Wrong("the value is nested too deeply");
            var members = new Dictionary<string, JsonValue>();
            at++;
            SkipSpace();
            if (Take('}')) return JsonValue.OfTable(members);
            while (true)
            {
                SkipSpace();
                if (Peek() != '"') throw Wrong("a name is missing");
                string name = ReadString();
                SkipSpace();
                if (!Take(':')) throw Wrong("a ':' is missing");
                members[name] = ReadValue(level + 1); // the last one counts, as everywhere
                SkipSpace();
                if (Take('}')) return JsonValue.OfTable(members);
                if (!Take(',')) throw Wrong("a ',' or '}' is missing");
            }
        }

        private JsonValue ReadArray(int level)
        {
            if (level >= MostLevels) throw Wrong("the value is nested too deeply");
            var items = new List<JsonValue>();
            at++;
            SkipSpace();
            if (Take(']')) return JsonValue.Array();
            while (true)
            {
                items.Add(ReadValue(level + 1));
                SkipSpace();
                if (Take(']')) return JsonValue.Array(items.ToArray());
                if (!Take(',')) throw Wrong("a ',' or ']' is missing");
            }
        }

        private string ReadString()
        {
            int start = ++at;
            while (at < text.Length && text[at] != '"' && text[at] != '\\' && text[at] >= ' ') at++;
            if (Peek() == '"') return text.Substring(start, at++ - start);
            buffer = buffer ?? new StringBuilder();
            buffer.Length = 0;
            buffer.Append(text, start, at - start);
            while (true)
            {
                char next = Peek();
                if (at >= text.Length || next < ' ') throw Wrong("a string has no end, or a control character");
                at++;
                if (next == '"') return buffer.ToString();
                buffer.Append(next == '\\' ? ReadEscape() : next);
            }
        }

        private char ReadEscape()
        {
            char kind = Peek();
            at++;
            switch (kind)
            {
                case '"': case '\\': case '/': return kind;
                case 'b': return '\b';
                case 'f': return '\f';
                case 'n': return '\n';
                case 'r': return '\r';
                case 't': return '\t';
                case 'u': break;
                default: throw Wrong("an escape that there is not");
            }
            int unit = 0;
            for (int i = 0; i < 4; i++, at++)
            {
                int digit = "0123456789abcdef".IndexOf(char.ToLowerInvariant(Peek()));
                if (digit < 0) throw Wrong("\\u needs four hexadecimal digits");
                unit = unit * 16 + digit;
            }
            return (char)unit;
        }

        private JsonValue ReadNumber()
        {
            int start = at;
            bool isNegative = Take('-');
            int digits = at;
            SkipDigits("a value is missing");
            if (text[digits] == '0' && at > digits + 1) throw Wrong("a number begins with 0");
            bool isWhole = true;
            if (Take('.'))
            {
                isWhole = false;
                SkipDigits("digits are missing after the '.'");
            }
            if (Take('e') || Take('E'))
            {
                isWhole = false;
                if (!Take('+')) Take('-');
                SkipDigits("digits are missing in the exponent");
            }
            if (isWhole && at - digits <= 15)
            {
                long whole = 0;
                for (int i = digits; i < at; i++) whole = whole * 10 + (text[i] - '0');
                return JsonValue.OfNumber(isNegative ? -(double)whole : whole, null);
            }
            string written = text.Substring(start, at - start);
            double number;
            // Older runtimes refuse what is too large, newer ones return infinity.
            if (!double.TryParse(written, NumberStyles.Float, CultureInfo.InvariantCulture, out number))
                number = isNegative ? double.NegativeInfinity : double.PositiveInfinity;
            // The text is kept where a double would lose some of it.
            bool isExact = written.Length <= 15 && !double.IsInfinity(number);
            return JsonValue.OfNumber(number, isExact ? null : written);
        }

        private void SkipDigits(string problem)
        {
            int start = at;
            while (at < text.Length && text[at] >= '0' && text[at] <= '9') at++;
            if (at == start) throw Wrong(problem);
        }

        private JsonValue ReadWord(string word, JsonValue value)
        {
            if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) throw Wrong("a value is missing");
            at += word.Length;
            return value;
        }

        private void SkipSpace()
        {
            while (at < text.Length && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) at++;
        }

        private char Peek()
        {
            return at < text.Length ? text[at] : '\0';
        }

        private bool Take(char wanted)
        {
            if (Peek() != wanted) return false;
            at++;
            return true;
        }

        private FormatException Wrong(string problem)
        {
            return new FormatException("not JSON: " + problem + " (at " + at + ")");
        }
    }
}
