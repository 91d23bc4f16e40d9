using System.Collections.Generic;

namespace Grandstand
{
    /// <summary>JSON merge patches (RFC 7396).</summary>
    internal static class MergePatch
    {
        /// <summary>Applies a patch and returns the result. Parts that the patch does not name are shared with the target.</summary>
        internal static JsonValue Apply(JsonValue target, JsonValue patch)
        {
            if (patch.Kind != JsonKind.Object) return patch;
            var result = new Dictionary<string, JsonValue>(target.MemberTable);
            foreach (var change in patch.MemberTable)
            {
                if (change.Value.IsNull) result.Remove(change.Key);
                else result[change.Key] = Apply(target[change.Key], change.Value);
            }
            return JsonValue.OfTable(result);
        }
    }
}
