// One panel: Grafana's frame around Grafana's component for its kind. The core panel plugins themselves are on no registry.
import { applyFieldOverrides, FieldType, getDisplayProcessor, getFieldDisplayName, reduceField, toDataFrame } from '@grafana/data';

import { BarGauge, BigValue, PanelChrome, Table, TimeSeries, useTheme2 } from '@grafana/ui';
import { CUSTOM_DEFAULTS } from './fieldconfig.js';

// What a Grafana server adds to a dashboard that does not say it. JSON has no -Infinity, so a first step has null.
function defaults(panel) {
  const given = panel.fieldConfig?.defaults || {};
  const thresholds = given.thresholds || { mode: 'absolute', steps: [{ color: 'green', value: null }] };
  return {
    color: { mode: panel.type === 'timeseries' ? 'palette-classic' : 'thresholds' },
    ...given,
    custom: { ...CUSTOM_DEFAULTS, ...(given.custom || {}) },
    thresholds: { ...thresholds, steps: thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })) },
  };
}

function frames(panel, theme, timeZone) {
  return applyFieldOverrides({
    data: (panel.frames || []).map((frame) => toDataFrame(frame)),
    fieldConfig: { defaults: defaults(panel), overrides: panel.fieldConfig?.overrides || [] },
    replaceVariables: (text) => text,
    theme,
    timeZone,
  });
}

function values(panel, data, theme, timeZone) {
  const calc = panel.options?.reduceOptions?.calcs?.[0] || 'lastNotNull';
  return data.flatMap((frame) =>
    frame.fields
      .filter((field) => field.type === FieldType.number)
      .map((field) => {
        const reduced = reduceField({ field, reducers: [calc] })[calc];
        const display = (field.display || getDisplayProcessor({ field, theme, timeZone }))(reduced);
        const time = frame.fields.find((one) => one.type === FieldType.time);
        return { display: { ...display, title: getFieldDisplayName(field, frame, data) }, field, frame, time };
      })
  );
}

function Stat({ panel, data, width, height, theme, timeZone }) {
  const found = values(panel, data, theme, timeZone);
  const beside = width > height;
  const count = Math.max(1, found.length);
  const each = { height: beside ? height : height / count, width: beside ? width / count : width };
  const named = found.length > 1 && panel.options?.textMode !== 'value';
  return (
    <div style={{ display: 'flex', flexDirection: beside ? 'row' : 'column' }}>
      {found.map(({ display, field, time }, place) => (
        <BigValue
          key={place}
          colorMode={panel.options?.colorMode || 'value'}
          graphMode={panel.options?.graphMode || 'none'}
          height={each.height}
          justifyMode="auto"
          sparkline={
            panel.options?.graphMode === 'area' && time && field.values.length > 1
              ? { x: time, y: { ...field, config: { ...field.config, custom: { fillOpacity: 20 } } } }
              : undefined
          }
          textMode={named ? 'value_and_name' : 'value'}
          theme={theme}
          value={display}
          width={each.width}
        />
      ))}
    </div>
  );
}

function Bars({ panel, data, width, height, theme, timeZone }) {
  const found = values(panel, data, theme, timeZone).sort((one, other) => other.display.numeric - one.display.numeric);
  const shown = found.slice(0, Math.max(1, Math.floor(height / 34)));
  const most = Math.max(...found.map(({ display }) => display.numeric), 0);
  const longest = (part) => shown.map(({ display }) => display[part] || '').reduce((one, other) => (other.length > one.length ? other : one), '');
  const alignment = { prefix: longest('prefix'), suffix: longest('suffix'), text: longest('text'), title: longest('title') };
  return (
    <div>
      {shown.map(({ display, field }, place) => (
        <div key={place} style={{ height: height / shown.length, paddingBottom: 6 }}>
          <BarGauge
            alignmentFactors={alignment}
            displayMode={panel.options?.displayMode || 'gradient'}
            field={{ ...field.config, max: field.config.max ?? (most || 1), min: field.config.min ?? 0 }}
            height={height / shown.length - 6}
            namePlacement="left"
            orientation="horizontal"
            showUnfilled
            text={{ titleSize: 14, valueSize: 18 }}
            theme={theme}
            value={display}
            width={width}
          />
        </div>
      ))}
    </div>
  );
}

function Series({ panel, data, width, height, timeRange, timeZone }) {
  const legend = panel.options?.legend || { calcs: [], displayMode: 'list', placement: 'bottom', showLegend: true };
  return <TimeSeries frames={data} height={height} legend={legend} timeRange={timeRange} timeZone={timeZone} width={width} options={{}} />;
}

function Rows({ data, width, height }) {
  return <Table data={data[0]} height={height} showTypeIcons={false} width={width} />;
}

// The round gauge is on no registry; its values are drawn as bars.
const KINDS = { bargauge: Bars, gauge: Bars, stat: Stat, table: Rows, timeseries: Series };

function Note({ children }) {
  const theme = useTheme2();
  return (
    <div style={{ alignItems: 'center', color: theme.colors.text.secondary, display: 'flex', height: '100%', justifyContent: 'center', padding: 12, textAlign: 'center' }}>
      {children}
    </div>
  );
}

export function Panel({ panel, width, height, timeRange, timeZone }) {
  const theme = useTheme2();
  const Kind = KINDS[panel.type];
  const data = frames(panel, theme, timeZone);
  return (
    <PanelChrome description={panel.description} height={height} title={panel.title} width={width}>
      {(innerWidth, innerHeight) => {
        if (panel.note) {
          return <Note>{panel.note}</Note>;
        }
        if (!Kind) {
          return <Note>{`${panel.type} is not drawn here`}</Note>;
        }
        if (!data.some((frame) => frame.length)) {
          return <Note>{panel.fieldConfig?.defaults?.noValue || 'No data'}</Note>;
        }
        return (
          <Kind data={data} height={innerHeight} panel={panel} theme={theme} timeRange={timeRange} timeZone={timeZone} width={innerWidth} />
        );
      }}
    </PanelChrome>
  );
}

