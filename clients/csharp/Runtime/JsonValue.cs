using System;
using System.Collections.Generic;

namespace Grandstand
{
    /// <summary>The kinds of a <see cref="JsonValue"/>.</summary>
    public enum JsonKind
    {
        /// <summary>null, and what is absent.</summary>
        Null,
        /// <summary>true or false.</summary>
        Boolean,
        /// <summary>A number.</summary>
        Number,
        /// <summary>A text.</summary>
        String,
        /// <summary>A list of values.</summary>
        Array,
        /// <summary>Members with names.</summary>
        Object,
        /// <summary>Bytes: data of a game that is no JSON.</summary>
        Bytes,
    }

    /// <summary>
    /// Data of a game: a JSON value, or bytes. It does not change. Reading never throws: what is absent or of another kind is
    /// <see cref="Null"/>, or the fallback.
    /// </summary>
    public sealed class JsonValue : IEquatable<JsonValue>
    {
        /// <summary>null.</summary>
        public static readonly JsonValue Null = new JsonValue(JsonKind.Null);
        private static readonly JsonValue True = new JsonValue(JsonKind.Boolean);
        private static readonly JsonValue False = new JsonValue(JsonKind.Boolean);
        private static readonly JsonValue[] NoItems = new JsonValue[0];
        private static readonly Dictionary<string, JsonValue> NoMembers = new Dictionary<string, JsonValue>();

        private readonly double number;
        private readonly object content; // string, JsonValue[], Dictionary, byte[]; of a number its text, if that is more exact

        private JsonValue(JsonKind kind, object content = null, double number = 0)
        {
            Kind = kind;
            this.content = content;
            this.number = number;
        }

        /// <summary>What the value is.</summary>
        public JsonKind Kind { get; }

        /// <summary>Whether the value is null or absent.</summary>
        public bool IsNull { get { return Kind == JsonKind.Null; } }

        /// <summary>The items of an array; of another value none.</summary>
        public IReadOnlyList<JsonValue> Items { get { return Kind == JsonKind.Array ? (JsonValue[])content : NoItems; } }

        /// <summary>The members of an object; of another value none.</summary>
        public IReadOnlyDictionary<string, JsonValue> Members { get { return MemberTable; } }

        internal Dictionary<string, JsonValue> MemberTable
        {
            get { return Kind == JsonKind.Object ? (Dictionary<string, JsonValue>)content : NoMembers; }
        }

        /// <summary>The number of items or members.</summary>
        public int Count { get { return Kind == JsonKind.Array ? Items.Count : MemberTable.Count; } }

        /// <summary>A member of an object; <see cref="Null"/> if it is absent.</summary>
        public JsonValue this[string name]
        {
            get
            {
                JsonValue value;
                return name != null && MemberTable.TryGetValue(name, out value) ? value : Null;
            }
        }

        /// <summary>An item of an array; <see cref="Null"/> if it is absent.</summary>
        public JsonValue this[int index]
        {
            get { return index >= 0 && index < Items.Count ? Items[index] : Null; }
        }

        /// <summary>Whether an object has a member, also one that is null.</summary>
        public bool Has(string name)
        {
            return name != null && MemberTable.ContainsKey(name);
        }

        /// <summary>The text of a string.</summary>
        public string AsString(string fallback = "")
        {
            return Kind == JsonKind.String ? (string)content : fallback;
        }

        /// <summary>The number.</summary>
        public double AsDouble(double fallback = 0)
        {
            return Kind == JsonKind.Number ? number : fallback;
        }

        /// <summary>The number, if it is whole and fits.</summary>
        public int AsInt(int fallback = 0)
        {
            return Kind == JsonKind.Number && number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue ? (int)number : fallback;
        }

        /// <summary>The number, if it is whole and below 2^53, as the protocol's numbers are.</summary>
        public long AsLong(long fallback = 0)
        {
            return Kind == JsonKind.Number && number == Math.Floor(number) && Math.Abs(number) < 9007199254740992.0
                ? (long)number : fallback;
        }

        /// <summary>Whether the value is true.</summary>
        public bool AsBool(bool fallback = false)
        {
            return Kind == JsonKind.Boolean ? ReferenceEquals(this, True) : fallback;
        }

        /// <summary>A copy of the bytes; null if the value is none.</summary>
        public byte[] AsBytes()
        {
            return Kind == JsonKind.Bytes ? (byte[])((byte[])content).Clone() : null;
        }

        internal byte[] RawBytes { get { return (byte[])content; } }

        internal string NumberText { get { return Kind == JsonKind.Number ? (string)content : null; } }

        /// <summary>An object without members. <see cref="With"/> adds them.</summary>
        public static readonly JsonValue EmptyObject = new JsonValue(JsonKind.Object, NoMembers);

        /// <summary>Makes an object with one member more, or with another value of it.</summary>
        public JsonValue With(string name, JsonValue value)
        {
            if (name == null) throw new ArgumentNullException("name");
            var members = new Dictionary<string, JsonValue>(MemberTable);
            members[name] = value ?? Null;
            return new JsonValue(JsonKind.Object, members);
        }

        /// <summary>Makes an object with one member.</summary>
        public static JsonValue Object(string name, JsonValue value)
        {
            return EmptyObject.With(name, value);
        }

        /// <summary>Makes an object of members.</summary>
        public static JsonValue Object(IEnumerable<KeyValuePair<string, JsonValue>> members)
        {
            var table = new Dictionary<string, JsonValue>();
            foreach (var member in members) table[member.Key] = member.Value ?? Null;
            return new JsonValue(JsonKind.Object, table);
        }

        /// <summary>Makes an array.</summary>
        public static JsonValue Array(params JsonValue[] items)
        {
            var copy = (JsonValue[])items.Clone();
            for (int i = 0; i < copy.Length; i++) copy[i] = copy[i] ?? Null;
            return new JsonValue(JsonKind.Array, copy);
        }

        /// <summary>Makes data of bytes.</summary>
        public static JsonValue Bytes(byte[] bytes)
        {
            return new JsonValue(JsonKind.Bytes, bytes.Clone());
        }

        internal static JsonValue OfTable(Dictionary<string, JsonValue> members)
        {
            return new JsonValue(JsonKind.Object, members);
        }

        internal static JsonValue OfNumber(double number, string text)
        {
            return new JsonValue(JsonKind.Number, text, number);
        }

        /// <summary>Makes a string; null stays null.</summary>
        public static implicit operator JsonValue(string value)
        {
            return value == null ? Null : new JsonValue(JsonKind.String, value);
        }

        /// <summary>Makes a number.</summary>
        public static implicit operator JsonValue(double value)
        {
            return new JsonValue(JsonKind.Number, null, value);
        }

        /// <summary>Makes a number.</summary>
        public static implicit operator JsonValue(int value)
        {
            return new JsonValue(JsonKind.Number, null, value);
        }

        /// <summary>Makes a number.</summary>
        public static implicit operator JsonValue(long value)
        {
            double number = value;
            return new JsonValue(JsonKind.Number, Math.Abs(number) < 9007199254740992.0 ? null : JsonWriter.Digits(value), number);
        }

        /// <summary>Makes true or false.</summary>
        public static implicit operator JsonValue(bool value)
        {
            return value ? True : False;
        }

        /// <summary>Reads a JSON text. Throws a <see cref="FormatException"/> that says where the text is wrong.</summary>
        public static JsonValue Parse(string text)
        {
            return new JsonReader(text).ReadAll();
        }

        /// <summary>The value as a JSON text. Bytes become base64.</summary>
        public override string ToString()
        {
            return JsonWriter.Write(this);
        }

        /// <summary>Whether both values are the same: numbers by value, objects whatever the order of their members.</summary>
        public bool Equals(JsonValue other)
        {
            if (ReferenceEquals(this, other)) return true;
            if (ReferenceEquals(other, null) || Kind != other.Kind) return false;
            switch (Kind)
            {
                case JsonKind.Null: return true;
                case JsonKind.Number: return number.Equals(other.number);
                case JsonKind.String: return (string)content == (string)other.content;
                case JsonKind.Array:
                    if (Count != other.Count) return false;
                    for (int i = 0; i < Count; i++) if (!this[i].Equals(other[i])) return false;
                    return true;
                case JsonKind.Object:
                    if (Count != other.Count) return false;
                    foreach (var member in MemberTable)
                        if (!other.Has(member.Key) || !member.Value.Equals(other[member.Key])) return false;
                    return true;
                case JsonKind.Bytes: return Convert.ToBase64String(RawBytes) == Convert.ToBase64String(other.RawBytes);
                default: return false; // true and false are one object each
            }
        }

        /// <inheritdoc/>
        public override bool Equals(object other)
        {
            return Equals(other as JsonValue);
        }

        /// <inheritdoc/>
        public override int GetHashCode()
        {
            if (Kind == JsonKind.String) return content.GetHashCode();
            if (Kind == JsonKind.Number) return number.GetHashCode();
            return (int)Kind * 397 + (Kind == JsonKind.Boolean ? (AsBool() ? 1 : 0) : Count);
        }
    }
}
