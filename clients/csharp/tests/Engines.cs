// As much of Unity and Godot as the examples of the README use, so that a compiler takes them.

namespace UnityEngine
{
    public class MonoBehaviour { }

    public static class Debug
    {
        public static void Log(object message) { }
    }

    public static class PlayerPrefs
    {
        public static string GetString(string key) { return key; }
    }
}

namespace Godot
{
    public class Node
    {
        public virtual void _Ready() { }
        public virtual void _Process(double delta) { }
        public virtual void _ExitTree() { }
    }

    public static class GD
    {
        public static void Print(object what) { }
    }
}
