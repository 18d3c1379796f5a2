import { Button } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import { GROUP_NAMES, GROUPS, type GroupName, reset, samePoints } from "../core/handles";
import { useWords } from "../language";
import { Pick } from "./Pick";

/** Which points can be moved, how, and how they are put back. */
export function PointsPanel({ group, onGroup }: { group: GroupName; onGroup: (group: GroupName) => void }) {
  const { state, move } = useAdviser();
  const words = useWords().points;
  const original = state.reading!.reading.landmarks;
  const touched = state.landmarks !== null || state.hairline !== null;
  const putBack = () => {
    if (group === "hairline") return move(state.landmarks, null);
    if (!state.landmarks) return undefined;
    const next = reset(state.landmarks, original, GROUPS[group].flat());
    return move(samePoints(next, original) ? null : next, state.hairline);
  };
  return (
    <div className="points-panel">
      <p>{words.lead}</p>
      <Pick
        label={words.group}
        choices={GROUP_NAMES.map((id) => ({ id, name: words.groups[id] }))}
        value={group}
        empty={null}
        onChange={(value) => onGroup(value as GroupName)}
      />
      <div className="row">
        <Button className="button small" isDisabled={!touched} onPress={putBack}>
          {words.resetGroup}
        </Button>
        <Button className="button small" isDisabled={!touched} onPress={() => move(null, null)}>
          {words.resetAll}
        </Button>
      </div>
      <p className="quiet" id="points-keys">
        {words.keys} {words.sides}
      </p>
    </div>
  );
}
