import { useEffect, useRef } from "react";
import { I18nProvider } from "react-aria-components";
import { AdviserContext, useAdviserState } from "./core/adviser";
import type { Phase } from "./core/state";
import { firstLanguage, useWords, WORDS, WordsContext } from "./language";
import { Camera } from "./parts/Camera";
import { Header } from "./parts/Header";
import { ProblemNote } from "./parts/ProblemNote";
import { Questions } from "./parts/Questions";
import { Result } from "./parts/Result";
import { Welcome } from "./parts/Welcome";

/** The whole page: one journey from a photo to a look, in one of two languages. */
export function App({ token }: { token: string | null }) {
  return token ? <Journey token={token} /> : <Locked />;
}

function Journey({ token }: { token: string }) {
  const adviser = useAdviserState(token);
  const { state } = adviser;
  const words = WORDS[state.language];
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);

  useEffect(() => {
    document.documentElement.lang = words.htmlLang;
    document.title = `${words.title} · ${words.tagline}`;
  }, [words]);

  // A new step begins at the top, also for the keyboard and for screen readers.
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    window.scrollTo({ top: 0 });
    main.current?.focus({ preventScroll: true });
  }, [state.phase]);

  return (
    <I18nProvider locale={state.language === "zh" ? "zh-CN" : "en-GB"}>
      <WordsContext.Provider value={words}>
        <AdviserContext.Provider value={adviser}>
          <a className="skip" href="#content">
            {words.skip}
          </a>
          <Header />
          <main id="content" className={`phase-${state.phase}`} tabIndex={-1} ref={main}>
            {state.problem && <ProblemNote problem={state.problem} />}
            <Step phase={state.phase} />
          </main>
          <Footer />
          <p className="unseen" role="status">
            {state.message}
          </p>
        </AdviserContext.Provider>
      </WordsContext.Provider>
    </I18nProvider>
  );
}

function Step({ phase }: { phase: Phase }) {
  switch (phase) {
    case "welcome":
      return <Welcome />;
    case "camera":
      return <Camera />;
    case "questions":
      return <Questions />;
    case "result":
      return <Result />;
  }
}

function Footer() {
  const words = useWords();
  return (
    <footer className="foot">
      <p>{words.footer.limits}</p>
    </footer>
  );
}

/** Without the token of this start there is nothing to talk to; say how to get it, in both languages. */
function Locked() {
  const language = firstLanguage();
  useEffect(() => {
    document.documentElement.lang = WORDS[language].htmlLang;
  }, [language]);
  const order = language === "zh" ? (["zh", "en"] as const) : (["en", "zh"] as const);
  return (
    <main className="locked">
      <h1 className="brand">Mien</h1>
      {order.map((name) => (
        <section key={name} lang={WORDS[name].htmlLang} className="note">
          <h2>{WORDS[name].problem.locked[0]}</h2>
          <p>{WORDS[name].problem.locked[1]}</p>
        </section>
      ))}
    </main>
  );
}
