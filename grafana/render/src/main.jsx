// Draws one dashboard from `window.__dashboard__`, which `meterctl dashboards render` writes: the dashboard as Grafana loads
// it, and for each panel the frames that its queries gave on the local CloudWatch.
import { createTheme, dateTime, EventBusSrv, ThemeContext } from '@grafana/data';
import { GlobalStyles, PanelContextProvider } from '@grafana/ui';
import { createRoot } from 'react-dom/client';

import { registerFieldConfig } from './fieldconfig.js';
import { Panel } from './panel.jsx';

const COLUMNS = 24;
const ROW = 30; // pixels of a grid row, and of the gap between panels, as in Grafana
const GAP = 8;
const EDGE = 16;

function Picker({ label, value, theme }) {
  const box = { border: `1px solid ${theme.colors.border.medium}`, borderRadius: 4, display: 'inline-flex', marginRight: 8, overflow: 'hidden' };
  const cell = { padding: '6px 10px' };
  return (
    <span style={box}>
      <span style={{ ...cell, background: theme.colors.background.secondary, fontWeight: 500 }}>{label}</span>
      <span style={{ ...cell, background: theme.components.input.background }}>{value}</span>
    </span>
  );
}

function Dashboard({ dashboard, width, theme }) {
  const { panels, range, title, variables, notice } = dashboard;
  const timeRange = ({ from, to }) => ({ from: dateTime(from), raw: { from, to }, to: dateTime(to) });
  const column = (width - 2 * EDGE + GAP) / COLUMNS;
  const bottom = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  return (
    <div style={{ background: theme.colors.background.canvas, color: theme.colors.text.primary, fontFamily: theme.typography.fontFamily, fontSize: 14, minHeight: '100vh', padding: EDGE }}>
      <div style={{ alignItems: 'baseline', display: 'flex', justifyContent: 'space-between', marginBottom: 12 }}>
        <span style={{ fontSize: 20, fontWeight: 500 }}>{title}</span>
        <span style={{ color: theme.colors.text.secondary, fontSize: 12 }}>{notice}</span>
      </div>
      <div style={{ marginBottom: 12 }}>
        {variables.map(({ label, value }) => (
          <Picker key={label} label={label} theme={theme} value={value} />
        ))}
        <Picker label="Time" theme={theme} value={range.text} />
      </div>
      <div style={{ height: bottom * (ROW + GAP), position: 'relative' }}>
        {panels.map((panel) => {
          const { x, y, w, h } = panel.gridPos;
          const place = { left: x * column, position: 'absolute', top: y * (ROW + GAP) };
          if (panel.type === 'row') {
            return (
              <div key={panel.id} style={{ ...place, fontSize: 16, fontWeight: 500, paddingTop: 4 }}>
                {panel.title}
              </div>
            );
          }
          return (
            <div key={panel.id} style={place}>
              <Panel height={h * (ROW + GAP) - GAP} panel={panel} timeRange={timeRange(panel.range || range)} timeZone="utc" width={w * column - GAP} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

registerFieldConfig();
const theme = createTheme({ colors: { mode: window.__dashboard__.theme || 'dark' } });
const context = { canAddAnnotations: () => false, eventBus: new EventBusSrv(), eventsScope: 'global' };
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles isExtensionSidebarOpen={false} />
    <PanelContextProvider value={context}>
      <Dashboard dashboard={window.__dashboard__} theme={theme} width={window.innerWidth} />
    </PanelContextProvider>
  </ThemeContext.Provider>
);
document.title = window.__dashboard__.title;
