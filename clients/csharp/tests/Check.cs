using System;
using System.Collections.Generic;
using System.Diagnostics;

namespace Grandstand.Tests
{
    /// <summary>Runs tests one after the other, and counts those that fail.</summary>
    internal static class Check
    {
        private static readonly List<string> Failed = new List<string>();
        private static int passed;

        internal static void Test(string name, Action test)
        {
            try
            {
                test();
                passed++;
            }
            catch (Exception error)
            {
                Failed.Add(name);
                Console.WriteLine("FAILED " + name + "\n" + error);
            }
        }

        internal static void Equal(object expected, object actual, string what = "")
        {
            if (!Equals(expected, actual)) throw new Exception(what + ": expected " + expected + ", got " + actual);
        }

        internal static void True(bool holds, string what)
        {
            if (!holds) throw new Exception(what);
        }

        internal static T Throws<T>(Action action, string what) where T : Exception
        {
            try
            {
                action();
            }
            catch (T error)
            {
                return error;
            }
            throw new Exception(what + ": no " + typeof(T).Name);
        }

        /// <summary>Polls clients until something holds.</summary>
        internal static void Until(Func<bool> holds, string what, params Client[] clients)
        {
            Stopwatch watch = Stopwatch.StartNew();
            while (!holds())
            {
                if (watch.ElapsedMilliseconds > 15000) throw new Exception("not within 15 s: " + what);
                foreach (Client client in clients)
                {
                    client.Wait(10);
                    client.Poll();
                }
            }
        }

        internal static int Summary()
        {
            Console.WriteLine(passed + " passed, " + Failed.Count + " failed");
            return Failed.Count == 0 ? 0 : 1;
        }
    }
}
