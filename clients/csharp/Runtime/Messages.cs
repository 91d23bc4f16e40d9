using System;
using System.Text;

namespace Grandstand
{
    /// <summary>A message of the server whose fields are checked.</summary>
    internal sealed class ServerMessage
    {
        private const string Optional =
            "#id #seq #last_seq #heartbeat_ms #reconnect_in_ms #retry_after_ms #player_count #viewers #n instance room message";

        private readonly JsonValue fields;

        private ServerMessage(JsonValue fields, JsonValue data)
        {
            this.fields = fields;
            Data = data;
            Type = Text("type");
            Room = Text("room");
            Code = Text("code");
            Id = Number("id");
            Seq = Number("seq");
            RetryAfterMs = Number("retry_after_ms");
        }

        internal string Type { get; }
        internal string Room { get; }
        internal string Code { get; }
        internal long? Id { get; }
        internal long? Seq { get; }
        internal long? RetryAfterMs { get; }
        internal JsonValue Data { get; }
        internal JsonValue Fields { get { return fields; } }

        /// <summary>What an error or a reject says.</summary>
        internal string Says { get { string text = Text("message"); return string.IsNullOrEmpty(text) ? "refused" : text; } }

        internal string Text(string name)
        {
            return fields[name].AsString(null);
        }

        internal long? Number(string name)
        {
            return fields[name].IsNull ? (long?)null : fields[name].AsLong();
        }

        /// <summary>
        /// Reads a frame. Returns null for a message of an unknown type, which is ignored. Throws a
        /// <see cref="FormatException"/> if the frame is no message.
        /// </summary>
        internal static ServerMessage Read(string frame)
        {
            JsonValue fields = JsonValue.Parse(frame);
            if (fields["type"].Kind != JsonKind.String) throw new FormatException("a message without a type");
            string type = fields["type"].AsString();
            string required = Required(type);
            if (required == null) return null;
            Check(fields, required, false);
            Check(fields, Optional, true);
            JsonValue data = fields["data"];
            if (fields["data_b64"].Kind == JsonKind.String)
                data = JsonValue.Bytes(Convert.FromBase64String(fields["data_b64"].AsString()));
            else if (!fields.Has("data") && (type == "snapshot" || type == "update" || type == "direct" || type == "live"))
                throw new FormatException("a message without data");
            foreach (var limit in fields["limits"].Members)
                if (!IsCount(limit.Value)) throw new FormatException("limits has a wrong " + limit.Key);
            if (!fields["players"].IsNull && fields["players"].Kind != JsonKind.Array) throw new FormatException("players is no list");
            return new ServerMessage(fields, data);
        }

        // The fields that must be there: strings, and whole numbers after a '#'. Null for an unknown type.
        private static string Required(string type)
        {
            switch (type)
            {
                case "welcome": return "#protocol";
                case "joined": return "room role";
                case "left": return "room code";
                case "snapshot": return "room epoch #version";
                case "update": return "room #version #prev";
                case "direct": case "live": case "presence": return "room";
                case "ack": return "room #seq";
                case "reject": return "room #seq code";
                case "pong": return "";
                case "notice": case "error": return "code";
                default: return null;
            }
        }

        private static void Check(JsonValue fields, string names, bool isOptional)
        {
            foreach (string name in names.Split(' '))
            {
                bool isNumber = name.StartsWith("#", StringComparison.Ordinal);
                JsonValue field = fields[isNumber ? name.Substring(1) : name];
                if (name == "" || (isOptional && field.IsNull)) continue;
                if (isNumber ? !IsCount(field) : field.Kind != JsonKind.String)
                    throw new FormatException("the field " + name + " is missing or wrong");
            }
        }

        private static bool IsCount(JsonValue value)
        {
            return value.AsLong(-1) >= 0;
        }
    }

    /// <summary>
    /// A message to the server, while it is written. <c>id</c>, <c>room</c> and <c>seq</c> come first, because the server reads
    /// only the start of messages that it refuses.
    /// </summary>
    internal sealed class ClientMessage
    {
        private readonly StringBuilder text = new StringBuilder("{");

        internal ClientMessage(string type, long id)
        {
            Type = type;
            Id = id;
            Add("id", id);
            Add("type", type);
        }

        internal string Type { get; }
        internal long Id { get; }

        /// <summary>Adds a field; one that is null is left out.</summary>
        internal ClientMessage Add(string name, JsonValue value)
        {
            return value == null || value.IsNull ? this : AddRaw("\"" + name + "\":" + value);
        }

        /// <summary>Adds a field that is JSON already.</summary>
        internal ClientMessage AddRaw(string field)
        {
            if (text.Length > 1) text.Append(',');
            text.Append(field);
            return this;
        }

        public override string ToString()
        {
            return text + "}";
        }

        /// <summary>Data of the application as a field. Throws a <see cref="FormatException"/> if it is no JSON.</summary>
        internal static string DataField(JsonValue data)
        {
            data = data ?? JsonValue.Null;
            return (data.Kind == JsonKind.Bytes ? "\"data_b64\":" : "\"data\":") + data;
        }
    }
}
