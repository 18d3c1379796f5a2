import { useEffect, useMemo, useState } from "react";
import { Button, Tab, TabList, TabPanel, Tabs, ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { MAX_PHOTOS, useAdviser } from "../core/adviser";
import type { GroupName } from "../core/handles";
import type { Card } from "../core/types";
import { useWords } from "../language";
import { Answers } from "./Answers";
import { CardList } from "./CardList";
import { FaceFigure } from "./FaceFigure";
import { Legend } from "./Legend";
import { Notices } from "./Notices";
import { PhotoButton } from "./PhotoButton";
import { PointsPanel } from "./PointsPanel";
import { PreviewFigure } from "./PreviewFigure";
import { ReadingPanel } from "./ReadingPanel";
import { StepPlayer } from "./StepPlayer";

type View = "zones" | "preview" | "points";
export type TabName = "cards" | "steps" | "reading" | "you";
const TABS: TabName[] = ["cards", "steps", "reading", "you"];

/** The look: the photo on one side, the cards, the steps and what was read on the other. */
export function Result() {
  const { state, announce } = useAdviser();
  const words = useWords().result;
  const [tab, setTab] = useState<TabName>("cards");
  const [view, setView] = useState<View>("zones");
  const [group, setGroup] = useState<GroupName>("hairline");
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const { look, fresh, busy } = state;

  useEffect(() => {
    if (look) announce(fresh.size > 0 ? words.updated(fresh.size) : "");
    // eslint-disable-next-line -- said once for every new look
  }, [look]);

  const cards = useMemo<Card[]>(() => look?.look.cards ?? [], [look]);
  const shown = useMemo(() => cards.filter(({ domain }) => !hidden.has(domain)), [cards, hidden]);
  if (!look || !state.photoUrl) return <Waiting />;

  const stepping = tab === "steps";
  return (
    <div className={busy === "look" ? "result busy" : "result"} aria-busy={busy === "look"}>
      <div className="result-head">
        <div>
          <h1>{words.heading}</h1>
          <p className="quiet">
            {words.total(cards.length, Math.round(look.look.minutes))}
            {look.reading.photos > 1 && ` · ${words.photosRead(look.reading.photos)}`}
          </p>
        </div>
        <ResultTools />
      </div>
      <section className="stage" aria-label={words.viewLabel}>
        <ToggleButtonGroup
          aria-label={words.viewLabel}
          className="segments"
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[view]}
          onSelectionChange={(keys) => setView([...keys][0] as View)}
        >
          {(["zones", "preview", "points"] as const).map((name) => (
            <ToggleButton key={name} id={name} className="segment">
              {words.views[name]}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
        {view === "preview" ? (
          <PreviewFigure cards={shown} />
        ) : (
          <FaceFigure
            cards={view === "points" ? [] : shown}
            zoomed={stepping && view === "zones"}
            group={view === "points" ? group : null}
            onPick={() => !stepping && setTab("cards")}
          />
        )}
        {view === "points" ? (
          <PointsPanel group={group} onGroup={setGroup} />
        ) : stepping ? null : (
          <Legend cards={cards} hidden={hidden} onHidden={setHidden} />
        )}
      </section>
      <Tabs
        className="tabs"
        selectedKey={tab}
        onSelectionChange={(key) => setTab(key as TabName)}
      >
        <TabList className="tab-list" aria-label={words.heading}>
          {TABS.map((name) => (
            <Tab key={name} id={name} className="tab">
              {words.tabs[name]}
            </Tab>
          ))}
        </TabList>
        <TabPanel id="cards" className="tab-panel">
          <Notices />
          <CardList cards={cards} />
        </TabPanel>
        <TabPanel id="steps" className="tab-panel">
          <StepPlayer cards={cards} />
        </TabPanel>
        <TabPanel id="reading" className="tab-panel">
          <ReadingPanel />
        </TabPanel>
        <TabPanel id="you" className="tab-panel">
          <Answers />
        </TabPanel>
      </Tabs>
    </div>
  );
}

function ResultTools() {
  const { state, api, request, give, go, fail } = useAdviser();
  const words = useWords().result;
  const openSheet = () => {
    const wanted = request();
    if (wanted) api.sheet(wanted).then((url) => window.open(url), fail);
  };
  return (
    <div className="row tools">
      {state.photos.length < MAX_PHOTOS && (
        <PhotoButton className="button small" onPhotos={(more) => give([...state.photos, ...more])}>
          {words.addPhoto}
        </PhotoButton>
      )}
      <Button className="button small" onPress={() => window.print()}>
        {words.print}
      </Button>
      <Button className="button small" onPress={openSheet}>
        {words.sheet}
      </Button>
      <Button className="button small" onPress={() => go("welcome")}>
        {words.restart}
      </Button>
    </div>
  );
}

/** The shape of what is coming, while it is worked out. */
function Waiting() {
  const { state } = useAdviser();
  const words = useWords();
  return (
    <div className="result waiting">
      <div className="result-head">
        <h1>{words.result.heading}</h1>
      </div>
      {!state.problem && (
        <p role="status" className="quiet">
          {state.busy === "reading" ? words.questions.reading : words.result.updating}
        </p>
      )}
      <div className="stage blank" aria-hidden="true" />
      <div className="tabs" aria-hidden="true">
        {[0, 1, 2].map((n) => (
          <div key={n} className="card blank" />
        ))}
      </div>
    </div>
  );
}
