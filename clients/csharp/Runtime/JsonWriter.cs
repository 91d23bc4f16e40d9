using System;
using System.Globalization;
using System.Text;

namespace Grandstand
{
    /// <summary>Writes JSON texts, without spaces.</summary>
    internal static class JsonWriter
    {
        internal static string Write(JsonValue value)
        {
            var text = new StringBuilder();
            Write(text, value, 0);
            return text.ToString();
        }

        /// <summary>The digits of a whole number, whatever the language of the machine.</summary>
        internal static string Digits(long number)
        {
            return number.ToString(CultureInfo.InvariantCulture);
        }

        private static void Write(StringBuilder text, JsonValue value, int level)
        {
            bool isDeep = value.Kind == JsonKind.Array || value.Kind == JsonKind.Object;
            if (isDeep && level >= JsonReader.MostLevels) throw new FormatException("the value is nested too deeply");
            bool isFirst = true;
            switch (value.Kind)
            {
                case JsonKind.Null: text.Append("null"); break;
                case JsonKind.Boolean: text.Append(value.AsBool() ? "true" : "false"); break;
                case JsonKind.Number: WriteNumber(text, value); break;
                case JsonKind.String: WriteString(text, value.AsString()); break;
                case JsonKind.Bytes: text.Append('"').Append(Convert.ToBase64String(value.RawBytes)).Append('"'); break;
                case JsonKind.Array:
                    text.Append('[');
                    foreach (JsonValue item in value.Items)
                    {
                        if (!isFirst) text.Append(',');
                        isFirst = false;
                        Write(text, item, level + 1);
                    }
                    text.Append(']');
                    break;
                case JsonKind.Object:
                    text.Append('{');
                    foreach (var member in value.MemberTable)
                    {
                        if (!isFirst) text.Append(',');
                        isFirst = false;
                        WriteString(text, member.Key);
                        text.Append(':');
                        Write(text, member.Value, level + 1);
                    }
                    text.Append('}');
                    break;
            }
        }

        private static void WriteNumber(StringBuilder text, JsonValue value)
        {
            double number = value.AsDouble();
            if (value.NumberText != null) text.Append(value.NumberText);
            else if (double.IsNaN(number) || double.IsInfinity(number)) throw new FormatException("JSON has no infinity and no NaN");
            else if (number == Math.Floor(number) && Math.Abs(number) < 9007199254740992.0) text.Append(Digits((long)number));
            else text.Append(number.ToString("R", CultureInfo.InvariantCulture));
        }

        internal static void WriteString(StringBuilder text, string value)
        {
            text.Append('"');
            for (int i = 0; i < value.Length; i++)
            {
                char unit = value[i];
                bool isPair = char.IsHighSurrogate(unit) && i + 1 < value.Length && char.IsLowSurrogate(value[i + 1]);
                if (isPair) text.Append(unit).Append(value[++i]);
                else if (unit == '"' || unit == '\\') text.Append('\\').Append(unit);
                // Half a pair has no UTF-8.
                else if (unit < ' ' || char.IsSurrogate(unit)) text.Append("\\u").Append(((int)unit).ToString("x4"));
                else text.Append(unit);
            }
            text.Append('"');
        }
    }
}
