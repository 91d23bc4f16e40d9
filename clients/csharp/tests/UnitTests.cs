// JSON, messages and merge patches, also against common/proto/vectors, whose folder is the argument.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;

namespace Grandstand.Tests
{
    internal static class UnitTests
    {
        private static int Main(string[] arguments)
        {
            // A comma as the decimal separator, as players' devices have it.
            Thread.CurrentThread.CurrentCulture = CommaCulture();
            Check.Test("values are written as they are read", RoundTrips);
            Check.Test("numbers", Numbers);
            Check.Test("escapes", Escapes);
            Check.Test("texts that are no JSON", NoJson);
            Check.Test("deep nesting", DeepNesting);
            Check.Test("what is absent", Absent);
            Check.Test("equality", Equality);
            Check.Test("random damage never gets past the reader's errors", Damage);
            Check.Test("merge patches of RFC 7396", MergePatches);
            Check.Test("vectors: messages of clients", () => ClientVectors(Vectors(arguments[0], "client.json")));
            Check.Test("vectors: messages of edges", () => ServerVectors(Vectors(arguments[0], "server.json"), false));
            Check.Test("vectors: unusual messages", () => ServerVectors(Vectors(arguments[0], "unusual.json"), true));
            Check.Test("vectors: what is no message", () => RefusedVectors(Vectors(arguments[0], "refused.json")));
            Check.Test("backoff", Waits);
            MachineTests.Tests();
            HostileServer.Tests();
            return Check.Summary();
        }

        private static CultureInfo CommaCulture()
        {
            var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
            culture.NumberFormat.NumberDecimalSeparator = ",";
            culture.NumberFormat.NegativeSign = "~";
            return culture;
        }

        private static void RoundTrips()
        {
            foreach (string text in new[]
            {
                "null", "true", "false", "0", "-1", "0.5", "1.25", "[]", "{}", "\"\"", "[1,[2,[]],{\"a\":{}}]",
                "{\"a\":1,\"b\":[true,null],\"__proto__\":{\"constructor\":1}}", "9007199254740991", "-9007199254740991",
                "12345678901234567890", "1.7976931348623157E+308", "1e400", "0.1234567890123456789", "\"é ☃ 🎲 \\u0001\\\"\\\\\"",
            }) Check.Equal(text, JsonValue.Parse(" " + text + "\r\n\t").ToString());
            Check.Equal("{\"op\":\"flip\",\"card\":5,\"x\":0.1,\"on\":true,\"no\":null,\"all\":[1,\"a\"]}",
                JsonValue.Object("op", "flip").With("card", 5).With("x", 0.1).With("on", true).With("no", null)
                    .With("all", JsonValue.Array(1, "a")).ToString());
            Check.Equal("\"AQID\"", JsonValue.Bytes(new byte[] { 1, 2, 3 }).ToString());
        }

        private static void Numbers()
        {
            Check.Equal(7L, JsonValue.Parse("70e-1").AsLong());
            Check.Equal(7, JsonValue.Parse("7.0").AsInt());
            Check.Equal(1.5, JsonValue.Parse("1.5").AsDouble());
            Check.Equal(-1L, JsonValue.Parse("7.5").AsLong(-1));
            Check.Equal(-1L, JsonValue.Parse("9007199254740992").AsLong(-1));
            Check.Equal(-1L, JsonValue.Parse("1e400").AsLong(-1));
            Check.Equal(-1L, JsonValue.Parse("-1e400").AsLong(-1));
            Check.Equal(-1, JsonValue.Parse("3000000000").AsInt(-1));
            Check.Equal(double.PositiveInfinity, JsonValue.Parse("1e400").AsDouble());
            Check.Equal(0.0, JsonValue.Parse("1e-4000").AsDouble());
            Check.Equal(1e300, JsonValue.Parse("1" + new string('0', 300)).AsDouble());
            Check.Equal("9223372036854775807", ((JsonValue)long.MaxValue).ToString());
            var digits = new string('9', 100000);
            Check.Equal(digits, JsonValue.Parse(digits).ToString());
            foreach (double wrong in new[] { double.NaN, double.PositiveInfinity, double.NegativeInfinity })
                Check.Throws<FormatException>(() => ((JsonValue)wrong).ToString(), "infinity");
            var random = new Random(1);
            for (int i = 0; i < 20000; i++)
            {
                double number = BitConverter.Int64BitsToDouble((long)(random.NextDouble() * long.MaxValue));
                if (double.IsNaN(number) || double.IsInfinity(number)) continue;
                Check.Equal(number, JsonValue.Parse(((JsonValue)number).ToString()).AsDouble(), "number");
            }
        }

        private static void Escapes()
        {
            Check.Equal("\"\\/\b\f\n\r\té🎲", JsonValue.Parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83c\\udfb2\"").AsString());
            Check.Equal("\"\\ud83cx\"", JsonValue.Parse("\"\\ud83cx\"").ToString(), "half a pair");
            Check.Equal("\"\\udfb2\\ud83c\"", JsonValue.Parse("\"\\udfb2\\ud83c\"").ToString(), "a pair in the wrong order");
        }

        private static void NoJson()
        {
            foreach (string text in new[]
            {
                "", " ", "<html>", "{", "[", "\"", "\"\\", "\"\\u12", "\"\\u12g4\"", "\"\\x41\"", "\"a\nb\"", "\"\u0000\"", "[1,]", "[,1]",
                "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\" 1}", "01", "-", "+1", "1.", ".5", "1e", "1e+",
                "0x10", "--1", "-01", "NaN", "Infinity", "nul", "nulL", "True", "1 2", "{}{}", "[]]", "\uFEFF{}", "'a'", "1\u00A0", "\u0661",
            }) Check.Throws<FormatException>(() => JsonValue.Parse(text), text);
        }

        private static void DeepNesting()
        {
            string deepest = new string('[', JsonReader.MostLevels) + new string(']', JsonReader.MostLevels);
            JsonValue read = JsonValue.Parse(deepest);
            Check.Equal(deepest, read.ToString());
            Check.Throws<FormatException>(() => JsonValue.Parse("[" + deepest + "]").ToString(), "one more");
            foreach (string part in new[] { "[", "{\"a\":", "[{\"a\":" })
            {
                var text = new StringBuilder();
                for (int i = 0; i < 1000000; i++) text.Append(part);
                Check.Throws<FormatException>(() => JsonValue.Parse(text.ToString()), "a million of " + part);
            }
            JsonValue built = JsonValue.Null;
            for (int i = 0; i < 1000; i++) built = JsonValue.Array(built);
            Check.Throws<FormatException>(() => built.ToString(), "an array that an application nests");
        }

        private static void Absent()
        {
            JsonValue value = JsonValue.Parse("{\"a\":[1],\"n\":null}");
            Check.True(value["b"]["c"][3]["d"].IsNull, "absent members are null");
            Check.True(value.Has("n") && !value.Has("b") && !value["a"].Has("0"), "which members there are");
            Check.Equal(7, value["a"][-1].AsInt(7));
            Check.Equal("x", value["a"].AsString("x"));
            Check.Equal(null, value.AsBytes());
            Check.Equal(0, JsonValue.Parse("3").Items.Count + JsonValue.Parse("[]").Members.Count);
        }

        private static void Equality()
        {
            Check.Equal(JsonValue.Parse("{\"a\":1,\"b\":[2.0]}"), JsonValue.Parse("{\"b\":[2],\"a\":10e-1}"));
            Check.Equal(JsonValue.Parse("{\"a\":2}"), JsonValue.Parse("{\"a\":1,\"a\":2}"));
            string[] all = { "null", "true", "false", "0", "\"0\"", "[]", "[0]", "{}", "{\"a\":0}", "{\"b\":0}" };
            foreach (string a in all)
                foreach (string b in all) Check.Equal(a == b, JsonValue.Parse(a).Equals(JsonValue.Parse(b)), a + " and " + b);
        }

        private static void Damage()
        {
            const string Good = "{\"type\":\"update\",\"room\":\"r\",\"version\":2,\"prev\":1,\"data\":{\"a\":[1.5e3,\"\\u00e9\\n\",null,true]}}";
            const string Letters = "{}[]\",:\\u0eE-+.19ntf \u0001é";
            var random = new Random(7);
            for (int i = 0; i < 50000; i++)
            {
                var text = new StringBuilder(Good);
                for (int n = random.Next(4); n >= 0; n--)
                {
                    int at = random.Next(text.Length);
                    if (random.Next(3) == 0) text.Remove(at, Math.Min(text.Length - at - 1, random.Next(8)));
                    else text[at] = Letters[random.Next(Letters.Length)];
                }
                try
                {
                    ServerMessage.Read(text.ToString());
                }
                catch (FormatException)
                {
                    // the only error that a text may cause
                }
            }
        }

        private static void MergePatches()
        {
            string[][] cases =
            {
                new[] { "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
                new[] { "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
                new[] { "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
                new[] { "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
                new[] { "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
                new[] { "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
                new[] { "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
                new[] { "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
                new[] { "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
                new[] { "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
                new[] { "{\"a\":\"foo\"}", "null", "null" },
                new[] { "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
                new[] { "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
                new[] { "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
                new[] { "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
            };
            foreach (string[] one in cases)
            {
                JsonValue target = JsonValue.Parse(one[0]);
                Check.Equal(JsonValue.Parse(one[2]), MergePatch.Apply(target, JsonValue.Parse(one[1])), one[0] + " with " + one[1]);
                Check.Equal(one[0], target.ToString(), "the target stays");
            }
        }

        private static IEnumerable<JsonValue> Vectors(string folder, string name)
        {
            IReadOnlyList<JsonValue> vectors = JsonValue.Parse(File.ReadAllText(Path.Combine(folder, name))).Items;
            Check.True(vectors.Count > 4, "there are vectors");
            return vectors;
        }

        private static void ClientVectors(IEnumerable<JsonValue> vectors)
        {
            foreach (JsonValue vector in vectors)
            {
                JsonValue means = vector["means"];
                var message = new ClientMessage(means["type"].AsString(), means["id"].AsLong());
                foreach (var field in means.Members)
                {
                    bool isData = field.Key == "data" || field.Key == "data_b64";
                    JsonValue data = field.Key == "data_b64" ? JsonValue.Bytes(Convert.FromBase64String(field.Value.AsString())) : field.Value;
                    if (isData) message.AddRaw(ClientMessage.DataField(data));
                    else if (field.Key != "type" && field.Key != "id") message.Add(field.Key, field.Value);
                }
                JsonValue written = JsonValue.Parse(message.ToString());
                Check.Equal(means, means.Has("id") ? written : Without(written, "id"), vector["json"].AsString());
            }
        }

        private static JsonValue Without(JsonValue value, string name)
        {
            return MergePatch.Apply(value, JsonValue.Object(name, JsonValue.Null));
        }

        private static void ServerVectors(IEnumerable<JsonValue> vectors, bool hasSides)
        {
            foreach (JsonValue vector in vectors)
            {
                if (!vector.Has("json") || (hasSides && vector["side"].AsString() != "server")) continue;
                string json = vector["json"].AsString();
                ServerMessage message = ServerMessage.Read(json);
                Check.True(message != null, json + " is known");
                foreach (var field in vector["means"].Members)
                {
                    JsonValue value = field.Value;
                    if (field.Key == "data") Check.Equal(value, message.Data, json);
                    else if (field.Key == "data_b64") Check.Equal(value.AsString(), Convert.ToBase64String(message.Data.AsBytes()), json);
                    else if (value.Kind == JsonKind.Number) Check.Equal(value.AsLong(), message.Number(field.Key), json);
                    else if (value.Kind == JsonKind.String) Check.Equal(value.AsString(), message.Text(field.Key), json);
                    else Check.Equal(value, message.Fields[field.Key], json);
                }
            }
        }

        private static void RefusedVectors(IEnumerable<JsonValue> vectors)
        {
            int count = 0;
            foreach (JsonValue vector in vectors)
            {
                if (!vector.Has("json") || vector["side"].AsString() != "server") continue;
                string json = vector["json"].AsString();
                if (vector["code"].AsString() == "unknown_type") Check.True(ServerMessage.Read(json) == null, json + " is ignored");
                else Check.Throws<FormatException>(() => ServerMessage.Read(json), json);
                count++;
            }
            Check.True(count > 10, "there are vectors");
        }

        private static void Waits()
        {
            var backoff = new Backoff(1000, 30000, 0);
            foreach (double bound in new[] { 2000.0, 4000, 8000, 16000, 30000, 30000 })
            {
                double wait = backoff.Fail(1).Value;
                Check.Equal(bound, wait, "the longest wait");
            }
            for (int i = 0; i < 5000; i++) Check.Equal(1000.0, backoff.Fail(0), "the least wait");
            backoff.Reset();
            Check.Equal(2000.0, backoff.Fail(1), "the count begins again");
            var few = new Backoff(1, 1, 2);
            Check.True(few.Fail(0) != null && few.Fail(0) == null, "the most attempts");
        }
    }
}
